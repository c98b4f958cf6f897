"""What a trial's network is made of, read from the plain dictionary in its journal: unchecked, and so quick; and what
a chart shows of it under the mouse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from dashboard.charts.style import COLOURS, OWN_COLOURS, OWN_SYMBOLS, SYMBOLS, escape
from dashboard.number_format import percent, short
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.seed_noise import NetworkResult
from nas.records.trial import Trial

PLAIN, MODULATION, MIXED, OTHER = "ConvNeXt blocks", "modulation blocks", "several kinds", "other blocks"
BOTTLENECK, INVERTED, DEPTHWISE_FIRST = "bottlenecks", "inverted bottlenecks", "depthwise-first blocks"
KINDS = {
    "convnext": PLAIN, "modulation": MODULATION, "bottleneck": BOTTLENECK, "inverted": INVERTED,
    "depthwise_first": DEPTHWISE_FIRST,
}  # fmt: skip
MIXES = (*KINDS.values(), OTHER, MIXED)
Look = tuple[str, str]  # colour, symbol
LOOKS: dict[str, Look] = dict(zip(MIXES, zip(COLOURS, SYMBOLS, strict=True), strict=True))
_OWN: tuple[Look, ...] = tuple(zip(OWN_COLOURS, OWN_SYMBOLS, strict=True))


def kind_of(block: object) -> str:
    """A block's name in words; of a person's own `dual blocks`."""
    return KINDS.get(block, f"{block} blocks") if isinstance(block, str) and block else OTHER


def looks(kinds: Iterable[str]) -> dict[str, Look]:
    """Colour and symbol of each kind of one picture. A person's own block has those that its name falls on, so that
    they are the same in every picture; of two that fall together one has the next."""
    found: dict[str, Look] = {}
    for kind in sorted(set(kinds)):
        at = crc32(kind.encode()) % len(_OWN)
        own = (look for look in (*_OWN[at:], *_OWN[:at]) if look not in found.values())
        found[kind] = LOOKS[kind] if kind in LOOKS else next(own, _OWN[at])
    return found


def stages(trial: Trial) -> list[dict[str, Any]]:
    """The stages of a trial's network as they stand in the journal, unchecked and so quick; empty where it has none."""
    listed = trial.arch.get("stages") if isinstance(trial.arch, dict) else None
    return [stage for stage in listed if isinstance(stage, dict)] if isinstance(listed, (list, tuple)) else []


def mix(trial: Trial) -> str:
    """Which blocks a network is made of: one of MIXES, or a person's own kind."""
    kinds = {kind_of(stage.get("block")) for stage in stages(trial)}
    return kinds.pop() if len(kinds) == 1 else MIXED


def blocks_in(trial: Trial) -> str:
    """The same for tables, where several kinds are named: `convnext, modulation`."""
    named = mix(trial)
    return ", ".join(sorted({str(stage.get("block")) for stage in stages(trial)})) if named == MIXED else named


def stage_line(stage: dict[str, Any]) -> str:
    """A stage in one line: `convnext 2 x 64, kernel 7, expansion 4, ln, gelu`; what its block has not is left out."""
    words = [f"{stage.get('block')} {stage.get('depth')} x {stage.get('width')}"]
    words += [f"{name} {stage[name]}" for name in ("kernel", "expansion") if name in stage]
    words += [str(stage[name]) for name in ("norm", "act") if name in stage]
    if stage.get("downsample") == "strided":
        words.append("strided")
    return ", ".join(words)


def by_stage(trial: Trial, name: str) -> str:
    """`2-2-6-2`: the depth, or what else is asked for, of each stage."""
    return "-".join(str(stage.get(name)) for stage in stages(trial))


def hover(trial: Trial, row: NetworkResult | None = None, over: CostAxis = FLOPS, *, brief: bool = False) -> str:
    """A trial's design in a few lines, escaped for plotly; with what its network's seeds tell, if there are any. Brief,
    for charts of thousands: `c3x64k7` is 3 ConvNeXt blocks 64 wide, kernel 7."""
    head = [f"<b>trial {trial.number}</b>  {percent(trial.score)}", *seed_lines(row, over)]
    if brief:
        short_lines = (
            f"{str(s.get('block'))[:1]}{s.get('depth')}x{s.get('width')}" + (f"k{s['kernel']}" if "kernel" in s else "")
            for s in stages(trial)
        )
        return "<br>".join([*head, escape(" ".join(short_lines), 90)])
    cost = f"{short(trial.flops)} FLOPs, {short(trial.params)} parameters"
    return "<br>".join([*head, cost, *(escape(stage_line(stage), 90) for stage in stages(trial)[:8])])


def seed_lines(row: NetworkResult | None, over: CostAxis = FLOPS) -> list[str]:
    """`mean of 3 seeds, 95% interval 92.10% to 93.90%`, `on the front by FLOPs with probability 58%`; none without
    repeats. The probability and the tie are of the front `over` what the study minimises, whatever is shown."""
    if row is None or row.probability is None:
        return []
    seeds = "1 seed" if row.seeds == 1 else f"mean of {row.seeds} seeds"
    if row.interval is not None:
        seeds += ", 95% interval {} to {}".format(*(percent(end) for end in row.interval))
    tie = "" if row.tie is None else f", a tie with trial {row.tie}"
    return [seeds, f"on the front by {over.name} with probability {row.probability:.0%}{tie}"]
