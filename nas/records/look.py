"""Look: what was seen in a data set before anything was trained on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict

UNEVEN = 3.0  # largest class over the smallest, from which accuracy needs a second number
SHOWN = 12  # classes in a line
FEW = 50  # images of a split, below which one is worth more than 2 points of accuracy
OFTEN = 3  # sizes in a line, of more than a look keeps
EXAMPLES = 3  # pictures that are named in a line

Named = Mapping[str, tuple[tuple[str, ...], ...]]  # by a count of Look: a picture each, or pictures that are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Counts are of images. `counts` by split and class, `came_from` by split."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    counts: dict[str, dict[str, int]]
    came_from: dict[str, str]
    sizes: dict[str, int]  # as decoded, the most frequent, such as 640x480
    modes: dict[str, int]  # Pillow's
    other_sizes: int = 0  # beyond `sizes`
    size_range: tuple[str, str] | None = None  # of fewest and of most pixels; not in studies before it
    flat: int = 0  # nearly constant ones
    broken: int = 0  # left out with --skip-broken
    duplicates: int = 0  # beyond the first of each
    across_splits: int = 0  # of those, left out of a split as another has them
    conflicting: int = 0  # different pictures that occur under several classes
    mirror: str = ""  # what decided whether images are mirrored
    notes: tuple[str, ...] = ()  # what was skipped, and why
    named: Named = field(default_factory=dict)  # the first pictures behind the counts; not in studies before it

    def totals(self) -> dict[str, int]:
        return {split: sum(each.values()) for split, each in self.counts.items()}

    def imbalance(self) -> float:
        """The largest class of train over its smallest."""
        train = self.counts["train"].values()
        return max(train) / max(1, min(train))

    def pictures(self) -> str:
        """Sizes and modes of the files."""
        sizes = _kinds(self.sizes)
        if self.other_sizes and self.size_range:
            often = _kinds(dict(list(self.sizes.items())[:OFTEN]))
            every = f"{len(self.sizes) + self.other_sizes:,} sizes from {' to '.join(self.size_range)}"
            sizes = f"{every}, most often {often}"
        return f"pictures: {sizes}; {_kinds(self.modes)}"

    def imbalanced(self) -> str:
        return (
            f"imbalance: the largest class has {self.imbalance():.0f}x the images of the smallest; accuracy alone "
            "hides the small ones: see balanced accuracy, and --metric balanced"
        )

    def splits(self) -> str:
        """How many images each split has, and where it came from."""
        return ", ".join(f"{split} {count:,} ({self.came_from[split]})" for split, count in self.totals().items())

    def lines(self) -> list[str]:
        """For people, in the order of importance; what needs a look is a line of its own."""
        train = self.counts["train"]
        named = _listed(f"{name} {count:,}" for name, count in train.items())
        found = [self.splits(), f"{len(train)} classes, in train: {named}", self.pictures()]
        return found + [self.imbalanced()] * (self.imbalance() >= UNEVEN) + self.warnings()

    def warnings(self, *, named: bool = True) -> list[str]:
        """What a person should know before trusting a number; `named`: with the first pictures of each kind."""
        names = self._names if named else lambda kind, count: ""
        said = [*self.notes, *self._lacking()]
        if self.broken:
            said.append(f"left out, images that cannot be read: {self.broken:,}{names('broken', self.broken)}")
        if self.duplicates:
            across = f"; left out, as another split has them: {self.across_splits:,}" if self.across_splits else ""
            which = names("duplicates", self.duplicates)
            said.append(
                f"images with the same pixels as another: {self.duplicates:,}, in one split each{across}{which}"
            )
        if self.conflicting:
            which = names("conflicting", self.conflicting)
            said.append(f"pictures that occur under several classes: {self.conflicting:,}{which}")
        if self.flat:
            said.append(f"images that show nothing, nearly constant: {self.flat:,}{names('flat', self.flat)}")
        return [*said, *self._few()]

    def _names(self, kind: str, count: int) -> str:
        """` (a.png, b.png and 7 more)` of `count`; ` (a.png = c.png)` of the same ones. Empty where none are known."""
        known = self.named.get(kind, ())
        if not known:
            return ""
        told = sum(len(group) - 1 for group in known) if kind == "duplicates" else len(known)
        more = f" and {count - told:,} more" if count > told else ""
        return f" ({', '.join(' = '.join(group) for group in known)}{more})"

    def _few(self) -> list[str]:
        """Splits that tell little, in one line."""
        few = [
            f"{split}, {count}: one is worth {100 / count:.0f} points of accuracy"
            for split, count in self.totals().items()
            if split != "train" and 0 < count < FEW
        ]
        return [f"few images in {', in '.join(few)}; give more pictures"] if few else []

    def _lacking(self) -> list[str]:
        """Splits in which classes do not occur."""
        lacking = {split: [name for name, count in each.items() if not count] for split, each in self.counts.items()}
        return [f"{split} has no images of: {_listed(names)}" for split, names in lacking.items() if names]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def examples(named: Named) -> Named:
    """The first of each kind, as a study keeps them."""
    return {kind: tuple(group[:EXAMPLES] for group in groups[:EXAMPLES]) for kind, groups in named.items()}


def printable(words: str) -> str:
    """Names of files that are not UTF-8, as Python escapes them: no file and no terminal takes them otherwise."""
    return words.encode(errors="backslashreplace").decode()


def _kinds(counts: dict[str, int]) -> str:
    return _listed(f"{name} ({count:,})" for name, count in counts.items())


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else "")
