"""Settings: what a study was started with, frozen in its folder as study.yaml. Needs neither torch nor Optuna."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from pydantic import ConfigDict

from nas.process.files import write_first, write_whole
from nas.records.data_card import DataCard
from nas.records.extent import Extent
from nas.records.recipe import Int, Recipe
from nas.records.scores import Metric, parse_share
from space import Band, Budget, InputError, Space, Task
from space.budget import MEASURES
from space.cost_range import cost_range
from space.draw import Drawable
from space.latency_model import LatencyModel
from space.reading import check, is_file, load_yaml
from space.steps import Steps

VERSION = 3  # of the folder's layout; 2: the vocabulary of stems, blocks and heads; 3: early stopping
FILE = "study.yaml"
MOST = 100_000_000  # bytes of it: what was seen of a data set names every class for every split
SAMPLES = "samples.png"  # of the data, as networks see it
JOURNAL = "journal.log"
STUDY = "nas"  # Optuna's name of the study in a journal
ARTIFACTS = "artifacts"
ARCHIVE = ".archive"  # beside the studies: those that were put away
BASELINE = "-random"  # behind the name of the study that a random search stands beside
Sampler = Literal["ehvi", "tpe", "nsga2", "random", "spread"]
FINEST = 1000  # of a limit on latency, the part that hypervolume begins at where the model says less
DESIGN: Literal["design"] = "design"  # in place of a sampler: the networks of a design, each in its turn
Drawn = Literal["ehvi", "tpe", "nsga2", "random", "spread", "design"]  # by whom
Stop = Literal["none", "quantile", "moasha"]
Minimize = Literal["flops", "params", "activations", "latency"]  # MEASURES, attributes of a trial

_CLOSED = ConfigDict(extra="forbid")


class ServerUnavailable(InputError):
    """A server that does not answer: what is wrong now may be right in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the trials of a study are that has no journal."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    url: str  # without a password
    study: str  # its name there


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A study: a space, a budget, a recipe, data, and how networks are drawn."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    version: Int = VERSION  # of the folder's layout
    name: str  # the study's
    created: str  # ISO 8601, UTC
    command: str  # that began it
    space_name: str
    space: dict[str, Any]  # every axis with its choices
    flops_low: Int  # of the band: conv + linear multiply-accumulates, batch 1
    flops_high: Int
    params: tuple[Int, Int] | None = None  # of a band that holds, too; None: any
    activations: tuple[Int, Int] | None = None  # likewise
    latency: tuple[Int, Int] | None = None  # likewise, in nanoseconds that `latency_model` forecasts
    latency_model: dict[str, Any] | None = None  # a `space.latency_model.LatencyModel`
    data: DataCard
    recipe: dict[str, Any]  # settled: every field that training goes by
    sampler: Drawn  # who draws the networks
    stop: Stop = "none"  # the rule of early stopping; studies before version 3 had none
    metric: Metric = "accuracy"  # which score is maximised; studies of earlier releases had no other
    minimize: Minimize = "flops"  # which cost is minimised: what the front is over; likewise
    seed: Int  # the study's; those of trials follow from it
    device: str  # that it was begun on
    versions: dict[str, str]  # of Python and packages, likewise
    server: Server | None = None  # None: the journal in the folder
    artifacts: str | None = None  # an S3 store's URL; None: the folder

    @property
    def band(self) -> Band:
        return Band(self.flops_low, self.flops_high)

    @property
    def is_baseline(self) -> bool:
        """Whether it was begun as the random search beside another: none stands beside such a one itself."""
        return (self.sampler, self.stop) == ("random", "none") and "--baseline" in self.command.split()

    @property
    def budget(self) -> Budget:
        """All that a network must keep to."""
        limits = {"params": self.params, "activations": self.activations, "latency": self.latency}
        budget = Budget(flops=self.band, **{name: Band(*ends) for name, ends in limits.items() if ends})
        if self.latency_model is None:
            return budget
        return budget.forecast_by(LatencyModel.from_dict(self.latency_model, f"{FILE}: latency_model"))

    @property
    def minimised_band(self) -> Band | None:
        """Of the budget, the band of what is minimised, a latency in nanoseconds; None where none was given."""
        found: Band | None = getattr(self.budget, self.minimize)
        return found

    @property
    def ends(self) -> Band:
        """What hypervolume goes over, of what is minimised: its band, where none was given the range of the space's
        networks. A band that begins at 1 begins at the space's least, one of latency at what the model gives every
        network; but one of FLOPs is taken as it is."""
        band, model = self.minimised_band, self.budget.model
        if band is not None and (band.low > 1 or self.minimize == "flops"):
            return band
        if band is not None and model is not None and self.minimize == "latency":
            return Band(min(max(round(model.fixed), band.high // FINEST, 1), band.high), band.high)
        reach = _reach(json.dumps(self.space), self.space_name, self.task, self.minimize)
        return reach if band is None else Band(min(reach.low, band.high), band.high)

    def cheaper_than(self, cost: int | None) -> Settings | None:
        """The same for networks that cost less, of what the study minimises; None where its budget has none."""
        if cost is None:
            return self
        band = self.minimised_band or Band(1, cost)
        if cost <= band.low:
            return None
        low, high = band.low, min(band.high, cost - 1)
        if self.minimize == "flops":
            return replace(self, flops_low=low, flops_high=high)
        limit: dict[str, Any] = {self.minimize: (low, high)}
        return replace(self, **limit)

    @property
    def limits(self) -> str:
        """What holds beside FLOPs, to stand behind them: `, up to 500K parameters`; empty for nothing."""
        _, comma, words = str(self.budget).partition(", ")
        return comma + words

    @property
    def task(self) -> Task:
        return Task(self.data.image_size, self.data.channels, len(self.data.classes))

    @property
    def training(self) -> str:
        """What each network is trained on: `30,000 images (0.667 epochs of 45,000)`."""
        recipe = self.build_recipe()
        part = min(recipe.train_images or self.data.train, self.data.train)
        drawn = f"{part:,}" if part == self.data.train else f"{part:,} of {self.data.train:,}"
        epochs = f"{recipe.length / part:.3g}"
        return f"{recipe.length:,} images ({epochs} epoch{'s' * (epochs != '1')} of {drawn})"

    def check_resumable(self) -> None:
        """Raises InputError for a study of an older version: its axes and keys are others, so that it is only read."""
        if self.version != VERSION:
            raise InputError(
                f"study {self.name} must have version {VERSION} to be resumed, got {self.version}; "
                "start another study with --study NAME"
            )

    def build_space(self) -> Space:
        """Raises InputError for a study of steps, which has none."""
        if self.sampler == DESIGN:
            raise InputError(
                f"study must have a space, got {self.name}, which is of steps; nas steps {self.name} tells it"
            )
        return Space.from_dict(self.space, self.space_name, FILE)

    def build_steps(self) -> Steps:
        """Of a study of steps."""
        return _steps_of(json.dumps(self.space), self.space_name)

    def drawable(self) -> Drawable:
        """What its networks are drawn from."""
        return self.build_steps() if self.sampler == DESIGN else self.build_space()

    def build_recipe(self) -> Recipe:
        """Settled."""
        return Recipe.from_study(self.recipe, self.data.train, f"{FILE}: recipe")

    def write(self, folder: Path, *, first: bool = False) -> None:
        """Writes study.yaml; `first`: raises FileExistsError where another process was quicker."""
        plain = {key: value for key, value in asdict(self).items() if value or key not in OPTIONAL}
        plain["data"] = {key: value for key, value in plain["data"].items() if value is not None}
        (write_first if first else write_whole)(
            folder / FILE, yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=120)
        )

    @staticmethod
    def read(folder: Path) -> Settings:
        """From the study's folder, by whose name it goes: where the file has another, the folder was renamed or copied.
        InputError says what is missing or wrong."""
        path = folder / FILE
        if not path.is_file():
            raise InputError(f"study must be a folder with {FILE}, got {folder}; `nas studies` lists what there is")
        plain = load_yaml(path, MOST)
        if plain.get("version") not in range(1, VERSION + 1):
            raise InputError(
                f"{path}: version must be from 1 to {VERSION}, got {plain.get('version')}; "
                "read it with the release of nas that wrote it"
            )
        found: Settings = check(Settings, plain, str(path))
        name = folder.resolve().name
        if found.name == name:
            return found
        whose = name.removesuffix(BASELINE) if found.is_baseline else name
        return replace(found, name=name, command=with_study(found.command, whose))


@lru_cache(8)
def _steps_of(plain: str, name: str) -> Steps:
    """Kept, as it knows the networks that it has sized."""
    return Steps.from_dict(json.loads(plain), name, FILE)


@lru_cache(8)
def _reach(plain: str, name: str, task: Task, minimize: Minimize) -> Band:
    """Of a space's networks, in what is minimised."""
    return cost_range(Space.from_dict(json.loads(plain), name, FILE), task, MEASURES.index(minimize))


def with_study(command: str, name: str) -> str:
    """A search's command, to go on with its study under another name; of a baseline its study's."""
    try:
        words = shlex.split(command)
    except ValueError:  # written by hand
        return command
    if words[:2] not in (["nas", "search"], ["nas", "steps"]) or "..." in words:
        return command
    if "--study" in words:
        place = words.index("--study")
        del words[place : place + 2]
    words = [word for word in words if not word.startswith("--study=")]
    return shlex.join([*words, "--study", name])


def with_extent(settings: Settings, extent: Extent | None) -> str:
    """A study's command, to go as far as was asked for last: its `--trials`, `--repeats` and `--accuracy`. As it is
    where that is not on record or the command says it otherwise: of a baseline, of `nas steps`, and with `--time`."""
    try:
        words = shlex.split(settings.command)
    except ValueError:  # written by hand
        return settings.command
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    counted = next((option for option in ("--trials", "--networks") if option in words[:-1]), None)
    if extent is None or counted is None or settings.is_baseline or "..." in words:
        return settings.command
    before = list(words)
    _set(words, counted, str(extent.trials))
    if extent.accuracy is None:
        _set(words, "--repeats", str(extent.repeats) if extent.repeats else None)
        _set(words, "--accuracy", None)
    elif not (told := _value(words, "--accuracy")) or parse_share(told) != extent.accuracy:
        _set(words, "--accuracy", f"{100 * extent.accuracy:g}%")
    return settings.command if words == before else shlex.join(words)


def _value(words: list[str], option: str) -> str | None:
    return words[words.index(option) + 1] if option in words[:-1] else None


def _set(words: list[str], option: str, value: str | None) -> None:
    """None: without it."""
    place = words.index(option) if option in words[:-1] else len(words)
    words[place : place + 2] = [] if value is None else [option, value]


OPTIONAL = (
    "server",
    "artifacts",
    "params",
    "activations",
    "latency",
    "latency_model",
)  # not in study.yaml where there is none
MOVING = {("data", "source"), ("data", "name"), ("data", "look"),
          *(("data.reading", split) for split in ("train", "validation", "test"))}  # fmt: skip


Difference = tuple[str, Any, Any]  # a place, and what stands there in one and in the other


def difference(field: str, was: Any, now: Any) -> Difference | None:
    """The first of `differences`, None where there is none."""
    return next(differences(field, was, now), None)


def differences(field: str, was: Any, now: Any) -> Iterator[Difference]:
    """Where two settings differ, as `recipe.images`, and what stands there. A data source may move and have other
    things beside its images; the images may not differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in was | now:
            if (field, key) not in MOVING:
                yield from differences(f"{field}.{key}", was.get(key), now.get(key))
    elif was != now:
        yield field, was, now


def check_not_archived(study: str, runs: Path) -> None:
    """Raises InputError for a study that was put away."""
    if is_file(runs / ARCHIVE / study / FILE):
        raise InputError(
            f"study must not be an archived one, got {study}; bring it back: nas archive {study} --restore"
        )


def find_study(study: str, runs: Path) -> Path:
    """The folder of STUDY: a name under `runs`, or a path to a study's folder."""
    for folder in (runs / study, Path(study)):
        if is_file(folder / FILE):
            return folder
    check_not_archived(study, runs)
    names = sorted(path.parent.name for path in runs.glob(f"*/{FILE}"))
    close = get_close_matches(study, names, 1)
    known = f"there: {', '.join(names) or 'none'}" if runs.is_dir() else "there: no such folder"
    step = f"did you mean {close[0]}?" if close else known
    raise InputError(f"study must be a name under {runs} or a study's folder, got {study}; {step}")
