"""Whether brief training ranks networks as long training does: overall, at equal FLOPs, and by design choice.

At equal FLOPs means: over pairs of networks within a factor of 1.5 of each other's FLOPs. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.analysis.design_choices import axis_order, traits_of
from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_level
from nas.analysis.seed_noise import Floats, student_t
from space import Arch

NEAR = 1.5  # FLOPs of two networks that count as equal differ by this factor at most
RESAMPLES = 4000
FEWEST = 10  # pairs below which a tau says nothing
NEEDED = FREEDOM + 3  # networks, to fit what depends on FLOPs and on a choice
TAUS = 4  # of the report, whose intervals hold together
DOUBLED = "doubled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One network trained briefly, as in the study, and for longer. Accuracies are validation top-1, 0 to 1."""

    number: int  # of its trial
    arch: dict[str, Any]
    flops: int
    brief: float  # mean of the study's seeds
    long: float
    seconds: float  # of the long training
    seed: int  # of the long training, which is not the trial's


@dataclass(frozen=True, slots=True)
class Tau:
    """Kendall's tau-b with its interval: percentiles of a bootstrap over networks. None where nothing differs; no
    interval for fewer than NEEDED networks or FEWEST pairs."""

    value: float | None
    low: float | None
    high: float | None
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much more long training gives than brief, in accuracy at equal FLOPs, to the network with the most blocks of
    `choice` than to that with the fewest (for `depth` and `width`: per doubling). Positive: brief under-rates it.
    `low`, `high`: None where the interval is wider than accuracy itself."""

    axis: str
    choice: str
    change: float
    low: float | None
    high: float | None

    @property
    def rated(self) -> str:
        """`under-rated`, `over-rated`, or nothing where the interval holds 0."""
        if self.low is None or self.high is None:
            return ""
        return "under-rated" if self.low > 0 else "over-rated" if self.high < 0 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Rank agreement of brief with long training, beside that of FLOPs alone with long training."""

    networks: int
    overall: Tau
    overall_flops: Tau
    equal: Tau  # over pairs of about equal FLOPs
    equal_flops: Tau
    effects: tuple[Effect, ...]  # their intervals hold together, and so do those of the four taus

    def verdict(self) -> str:
        """Whether brief training ranks at equal FLOPs, in a sentence."""
        tau, where = self.equal, f"At equal FLOPs (pairs within a factor of {NEAR})"
        if tau.value is None:
            return f"{where} nothing differs: whether brief training ranks cannot be said."
        if tau.low is None:
            return (
                f"{where} are {tau.pairs} of the pairs of {self.networks} networks: too few to say whether brief "
                f"training ranks; {FEWEST} pairs of {NEEDED} networks are needed."
            )
        ranks = "ranks" if tau.low > 0 else "is not shown to rank"
        alone = "" if self.equal_flops.value is None else f"; FLOPs alone give {self.equal_flops.value:.2f}"
        return f"{where} brief training {ranks}: tau {tau.value:.2f} ({tau.low:.2f} to {tau.high:.2f}){alone}."

    def bias(self) -> str:
        """Which choices brief training misjudges, in a sentence."""
        found = [f"{e.axis} {e.choice} {e.rated} by {abs(100 * e.change):.1f} points" for e in self.effects if e.rated]
        if self.networks < NEEDED:
            return f"To judge design choices, {self.networks} networks are too few: {NEEDED} are needed."
        if not self.effects:
            return "No design choice varies enough among these networks to be judged."
        if not found:
            return f"None of {len(self.effects)} design choices is shown to be over- or under-rated by brief training."
        return f"By brief training: {', '.join(found)}."


def agreement(rows: Sequence[Audited], seed: int = 0) -> Agreement:
    """The report on networks trained twice; `seed` is of the bootstrap."""
    brief, long = np.array([row.brief for row in rows]), np.array([row.long for row in rows])
    size = np.log([float(row.flops) for row in rows])
    everywhere = np.ones((len(rows), len(rows)), dtype=bool)
    near = np.abs(size[:, None] - size) <= math.log(NEAR) * (1 + 1e-9)
    return Agreement(
        networks=len(rows),
        overall=kendall(brief, long, everywhere, seed, TAUS), equal=kendall(brief, long, near, seed, TAUS),
        overall_flops=kendall(size, long, everywhere, seed, TAUS), equal_flops=kendall(size, long, near, seed, TAUS),
        effects=effects(rows),
    )  # fmt: skip


def kendall(x: Floats, y: Floats, pairs: NDArray[np.bool_], seed: int = 0, beside: int = 1) -> Tau:
    """tau-b of x and y (N,) over the pairs that are true in `pairs` (N, N, symmetric); its interval holds together with
    those of the others of so many."""
    value, resampled = bootstrap(x, y, pairs, seed)
    number = int(np.triu(pairs, 1).sum())
    if not np.isfinite(value):
        return Tau(None, None, None, number)
    if len(x) < NEEDED or number < FEWEST:
        return Tau(value, None, None, number)
    level = bonferroni_level(beside)
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Tau(value, float(low), float(high), number)


def bootstrap(
    x: Floats, y: Floats, pairs: NDArray[np.bool_], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, Floats]:
    """tau-b, and (resamples,) the same of networks drawn with replacement, in which NaN stands where nothing differs.

    With c_i the times that network i is drawn, concordance minus discordance is c S c for S_ij = sign(x_i - x_j)
    sign(y_i - y_j), and a network's pairs with itself count nothing. The same seed draws the same networks.
    """
    dx, dy = (np.sign(v[:, None] - v) * pairs for v in (x, y))
    forms = np.stack([dx * dy, np.abs(dx), np.abs(dy)])
    count = len(x)

    def tau(times: Floats) -> Floats:  # (B, N) -> (B,)
        agree, untied_x, untied_y = (((times @ form) * times).sum(1) for form in forms)
        with np.errstate(invalid="ignore"):
            return np.asarray(agree / np.sqrt(untied_x * untied_y))

    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples).astype(float)
    return float(tau(np.ones((1, count)))[0]), tau(times)


def effects(rows: Sequence[Audited]) -> tuple[Effect, ...]:
    """The effect of every choice that two networks at least have and two have not, the largest first.

    Each comes from a regression of long - brief accuracy on the choice's share of the blocks and log FLOPs, with
    Student's interval, Bonferroni-adjusted over all choices. Of choices whose shares are perfectly correlated or
    anti-correlated the first stands for both. Empty for fewer than NEEDED networks.
    """
    varied = _columns([_traits(Arch.from_dict(row.arch, f"trial {row.number}")) for row in rows])
    freedom = len(rows) - 3
    if not varied or freedom < FREEDOM:
        return ()
    size = np.log([float(row.flops) for row in rows])
    gain = np.array([row.long - row.brief for row in rows])
    quantile = student_t(freedom, bonferroni_level(len(varied)))
    found = []
    for (axis, choice), column in varied.items():
        basis = np.stack([np.ones(len(rows)), size - size.mean(), column], axis=1)
        if np.linalg.matrix_rank(basis) < 3:
            continue
        fit = np.linalg.lstsq(basis, gain, rcond=None)[0]
        variance = ((gain - basis @ fit) ** 2).sum() / freedom * np.linalg.inv(basis.T @ basis)[2, 2]
        span = 1.0 if choice == DOUBLED else float(np.ptp(column))
        change, half = span * float(fit[2]), span * float(quantile * math.sqrt(variance))
        ends = (change - half, change + half) if abs(change) + half <= 1 else (None, None)
        found.append(Effect(axis=axis, choice=choice, change=change, low=ends[0], high=ends[1]))
    return tuple(sorted(found, key=lambda effect: -abs(effect.change)))


def _columns(rows: Sequence[dict[tuple[str, str], float]]) -> dict[tuple[str, str], Floats]:
    """(axis, choice) -> its share in every network (N,), for choices that vary and are not the same as earlier ones."""
    names = dict.fromkeys(name for row in rows for name in row)
    kept: dict[tuple[str, str], Floats] = {}
    for name in sorted(names, key=lambda name: (axis_order(name[0]), name)):
        column = np.array([row.get(name, 0.0) for row in rows])
        same = (abs(np.corrcoef(column, other)[0, 1]) > 1 - 1e-9 for other in kept.values())
        if _varies(column) and not any(same):
            kept[name] = column
    return kept


def _varies(column: Floats) -> bool:
    """At least two networks on either side of the middle between the extremes."""
    high = (column > (column.min() + column.max()) / 2).sum()
    return bool(2 <= high <= len(column) - 2)


def _traits(arch: Arch) -> dict[tuple[str, str], float]:
    """(axis, choice) -> the share of the blocks that have it; depth and width in doublings."""
    sizes = {("depth", DOUBLED): math.log2(arch.depth), ("width", DOUBLED): math.log2(arch.stages[0].width)}
    axes = {axis: shares for axis, shares in traits_of(arch.to_dict()).items() if axis not in ("depth", "width")}
    return sizes | {(axis, choice): share for axis, shares in axes.items() for choice, share in shares.items()}
