"""What the colours and symbols of the front's points say: the kind of blocks, a kind's share of them, or any axis of
the space; and which of these tells networks apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.charts.blocks import MIXED, MIXES, looks, mix
from dashboard.charts.style import COLOURS, SYMBOLS, escape
from nas.analysis.design_choices import is_numeric, number, one_word, traits_of
from nas.records.trial import Trial

KINDS = "kind of blocks"
SHARE = "share of "
NEARLY_ALL = 2 / 3  # of the networks: where so many are of one kind, colours by kind say little
Group = tuple[str, Any, str, list[Trial]]  # name, colour or a number for each trial, symbol, trials


def choices(axes: Mapping[str, Sequence[str]]) -> list[str]:
    """What colours can say of networks that differ in these axes; of two kinds of blocks the share of the second says
    that of the first."""
    blocks = axes.get("block", ())
    return [KINDS, *(SHARE + kind for kind in (blocks[1:] if len(blocks) == 2 else blocks)), *axes]


def telling(trials: Sequence[Trial], axes: Mapping[str, Sequence[str]]) -> str:
    """What colours say unless a person chooses: the kind of blocks; where nearly all networks have several kinds the
    share of one, where nearly all have the same the first axis in which they differ."""
    kinds = Counter(map(mix, trials))
    if not axes or not kinds or kinds.most_common(1)[0][1] <= NEARLY_ALL * len(trials):
        return KINDS
    if kinds.most_common(1)[0][0] == MIXED:
        return next((name for name in choices(axes) if name.startswith(SHARE)), KINDS)
    return next((axis for axis in axes if axis != "block"), KINDS)


def groups(points: Sequence[Trial], axis: str) -> list[Group]:
    """By kind of blocks, or by the choices of an axis. A share and an axis of numbers are one group, its colours the
    percent of blocks or the mean over them."""
    if axis == KINDS:
        kinds: dict[str, list[Trial]] = {}
        for trial in points:
            kinds.setdefault(mix(trial), []).append(trial)
        look, order = looks(kinds), {name: place for place, name in enumerate(MIXES)}
        names = sorted(kinds, key=lambda name: (order.get(name, len(order)), name))
        return [(escape(name, 40), *look[name], kinds[name]) for name in names]
    traits = {trial.number: traits_of(trial.arch) for trial in points}
    if axis.startswith(SHARE):
        kind = axis.removeprefix(SHARE)
        parts = {number: 100 * found.get("block", {}).get(kind, 0.0) for number, found in traits.items()}
        return [(escape(axis, 40), parts, "circle", list(points))]
    shares = [traits[trial.number].get(axis, {}) for trial in points]
    if is_numeric(list({word for share in shares for word in share})):
        values = {trial.number: number(share) for trial, share in zip(points, shares, strict=True)}
        return [(axis, values, "circle", list(points))]
    named: dict[str, list[Trial]] = {}
    for trial, share in zip(points, shares, strict=True):
        named.setdefault(one_word(share), []).append(trial)
    known = zip(COLOURS * 9, SYMBOLS * 9, sorted(named), strict=False)
    return [(escape(f"{axis} {name}"), colour, symbol, named[name]) for colour, symbol, name in known]


def bar_title(axis: str) -> str:
    """Of the bar beside the chart that says which colour is which number."""
    return escape(f"{axis}, % of blocks" if axis.startswith(SHARE) else axis, 40)


def scale_ends(axis: str) -> dict[str, float]:
    """The ends of its colours: of a share always all and none."""
    return {"cmin": 0, "cmax": 100} if axis.startswith(SHARE) else {}
