"""What a trial's network is made of, read from the plain dictionary in its journal: unchecked, and so quick."""

from __future__ import annotations

from typing import Any

from nas.records.trial import Trial

PLAIN, MODULATION, MIXED, OTHER = "ConvNeXt blocks", "modulation blocks", "several kinds", "other blocks"
BOTTLENECK, INVERTED, DEPTHWISE_FIRST = "bottlenecks", "inverted bottlenecks", "depthwise-first blocks"
KINDS = {
    "convnext": PLAIN, "modulation": MODULATION, "bottleneck": BOTTLENECK, "inverted": INVERTED,
    "depthwise_first": DEPTHWISE_FIRST,
}  # fmt: skip
MIXES = (*KINDS.values(), OTHER, MIXED)


def stages(trial: Trial) -> list[dict[str, Any]]:
    """The stages of a trial's network as they stand in the journal, unchecked and so quick; empty where it has none."""
    listed = trial.arch.get("stages") if isinstance(trial.arch, dict) else None
    return [stage for stage in listed if isinstance(stage, dict)] if isinstance(listed, (list, tuple)) else []


def mix(trial: Trial) -> str:
    """Which blocks a network is made of: one of MIXES."""
    kinds = {str(stage.get("block")) for stage in stages(trial)}
    return KINDS.get(kinds.pop(), OTHER) if len(kinds) == 1 else MIXED


def stage_line(stage: dict[str, Any]) -> str:
    """A stage in one line: `convnext 2 x 64, kernel 7, expansion 4, ln, gelu`; what its block has not is left out."""
    words = [f"{stage.get('block')} {stage.get('depth')} x {stage.get('width')}"]
    words += [f"{name} {stage[name]}" for name in ("kernel", "expansion") if name in stage]
    words += [str(stage[name]) for name in ("norm", "act") if name in stage]
    if stage.get("downsample") == "strided":
        words.append("strided")
    return ", ".join(words)


def depths(trial: Trial) -> str:
    """`2-2-6-2`: blocks of each stage."""
    return "-".join(str(stage.get("depth")) for stage in stages(trial))


def widths(trial: Trial) -> str:
    """`16-32-64-96`: the width of each stage."""
    return "-".join(str(stage.get("width")) for stage in stages(trial))


def blocks(trial: Trial) -> str:
    return mix(trial) if stages(trial) else ""
