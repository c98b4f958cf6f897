"""A network as a drawing to scale, with the share of FLOPs and parameters in each part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.charts.blocks import kind_of, looks
from dashboard.charts.style import ABOVE, BLUE, GREY, PURPLE, Figure, escape, layout
from dashboard.number_format import NONE, count
from nas.analysis.wording import part_words, shares
from space import Arch, CountedPart, Task, breakdown, compact

Spot = tuple[float, float]  # left and right of a part; a block is 1 wide
_GAP = 0.9  # between parts, in blocks
REST = "stem and head"
_BAR = 0.86  # the width of a block's bar, in blocks
_KERNEL = 2.0  # px of the drawing for a pixel of a kernel, where a bar has room for that: see `fit` in theme.js


def network_figure(arch: Arch, task: Task, *, brief: bool = False) -> Figure:
    """Blocks from left to right, as high as they have channels; a square as large as the kernel; below, unless it is
    to be brief, what part of FLOPs and parameters the stem, each stage and the head take."""
    parts, spots = breakdown(arch, task), _spots(arch)
    tall = max(part.width for part in parts[:-1])
    chart = layout(220 if brief else 390)
    chart |= {"barmode": "overlay", "bargap": 0, "legend": ABOVE}
    chart |= {"margin": {"l": 8, "r": 8, "t": 34, "b": 8}}
    data = [*_blocks(arch, parts, spots, tall), *_kernels(arch, spots)]
    quiet = dict.fromkeys(("showticklabels", "showgrid", "showline"), False)
    chart["xaxis"] |= {
        "tickvals": [(left + right) / 2 for left, right in spots],
        "ticktext": [_tick(part, len(parts)) for part in parts],
        "showgrid": False, "showline": False, "range": [-0.4, spots[-1][1] + 0.4], "fixedrange": True,
    }  # fmt: skip
    chart["yaxis"] |= quiet | {"range": [-0.56 * tall, 0.7 * tall], "fixedrange": True, "ticks": ""}
    chart["annotations"] = [_channels(part, spot) for part, spot in zip(parts[:-1], spots, strict=False)]
    if not brief:
        chart["xaxis"]["anchor"], chart["yaxis"]["domain"] = "y3", [0.48, 1]
        for axis, name, colour, domain, values in (
            ("2", "FLOPs", BLUE, [0.27, 0.43], [part.cost.flops for part in parts]),
            ("3", "parameters", PURPLE, [0.04, 0.2], [part.cost.params for part in parts]),
        ):
            data.append(_share_bars(f"y{axis}", name, colour, values, parts, spots))
            chart[f"yaxis{axis}"] = (
                chart["yaxis"] | {"domain": domain, "range": [0, 140], "anchor": "x"} | _row(name, 70)
            )
        chart["yaxis"] |= _row("channels", 0)
    return {"data": data, "layout": chart}


def _spots(arch: Arch) -> list[Spot]:
    """Of the stem, each stage and the head."""
    spots, at = [], 0.0
    for wide in (1, *(stage.depth for stage in arch.stages), 1):
        spots.append((at, at + wide))
        at += wide + _GAP
    return spots


def _blocks(arch: Arch, parts: Sequence[CountedPart], spots: Sequence[Spot], tall: int) -> list[dict[str, Any]]:
    """A trace per kind of block; stem and head are grey."""
    rows: dict[str, list[tuple[float, int, str]]] = {}
    said = part_words(arch)
    for i, (part, (left, right)) in enumerate(zip(parts, spots, strict=True)):
        last = i == len(parts) - 1
        name = REST if i == 0 or last else kind_of(arch.stages[i - 1].block.name)
        high = min(part.width, tall)
        gives = count(part.width, "class", "classes") if last else count(part.width, "channel")
        text = f"<b>{part.name}</b>, {part.size} px, {gives}"
        text += f"<br>{escape(said[i], 110)}<br>{part.cost.flops:,} FLOPs, {part.cost.params:,} parameters"
        rows.setdefault(name, []).extend((left + j + 0.5, high, text) for j in range(round(right - left)))
    look = looks(rows.keys() - {REST})
    return [
        {
            "type": "bar", "name": escape(name, 40), "x": [x for x, _, _ in bars], "y": [high for _, high, _ in bars],
            "base": [-high / 2 for _, high, _ in bars], "width": _BAR, "text": [text for _, _, text in bars],
            "textposition": "none", "hovertemplate": "%{text}<extra></extra>",
            "marker": {"color": look[name][0] if name in look else GREY, "opacity": 0.85},
        }
        for name, bars in rows.items()
    ]  # fmt: skip


def _kernels(arch: Arch, spots: Sequence[Spot]) -> list[dict[str, Any]]:
    rows = [
        (left + j + 0.5, kernel)
        for stage, (left, _) in zip(arch.stages, spots[1:-1], strict=True)
        if isinstance(kernel := getattr(stage.block, "kernel", None), int)
        for j in range(stage.depth)
    ]
    if not rows:
        return []
    sizes = [_KERNEL * kernel for _, kernel in rows]
    return [
        {
            "type": "scatter", "mode": "markers", "name": "kernel", "x": [x for x, _ in rows], "y": [0] * len(rows),
            "hoverinfo": "skip", "meta": {"sizes": sizes, "room": _BAR}, "marker": {
                "symbol": "square", "color": "@back", "size": sizes,
                "line": {"color": "@text", "width": 1.2},
            },
        }
    ]  # fmt: skip


def _share_bars(
    axis: str, name: str, colour: str, values: Sequence[int], parts: Sequence[CountedPart], spots: Sequence[Spot]
) -> dict[str, Any]:
    share = shares(values)
    said = [f"{p.name}: {s:.1f}% of {name}, {v:,}" for p, s, v in zip(parts, share, values, strict=True)]
    return {
        "type": "bar", "name": name, "yaxis": axis, "showlegend": False, "x": [(a + b) / 2 for a, b in spots],
        "y": share, "width": [b - a - 0.14 for a, b in spots], "marker": {"color": colour}, "cliponaxis": False,
        "text": [f"{value:.0f}%" if value >= 0.5 else "&lt;1%" for value in share], "textposition": "outside",
        "customdata": said, "hovertemplate": "%{customdata}<extra></extra>", "textfont": {"color": "@text", "size": 11},
    }  # fmt: skip


def _tick(part: CountedPart, parts: int) -> str:
    name = part.name if parts < 7 else part.name.replace("stage ", "")
    return name if part.name == "head" else f"{name}<br>{part.size} px"


def _channels(part: CountedPart, spot: Spot) -> dict[str, Any]:
    return {
        "x": sum(spot) / 2, "y": part.width / 2, "xref": "x", "yref": "y", "yanchor": "bottom", "showarrow": False,
        "text": f"{part.width}", "font": {"size": 12, "color": "@text"},
    }  # fmt: skip


def _row(name: str, y: float) -> dict[str, Any]:
    """The name of a row as its axis' only tick: plotly makes room for it in whatever font there is."""
    return {"showticklabels": True, "tickvals": [y], "ticktext": [name], "tickfont": {"size": 12}}


def network_caption(arch: Arch, task: Task) -> str:
    """The drawing in words, with its numbers."""
    parts = breakdown(arch, task)
    depths, widths = "-".join(str(s.depth) for s in arch.stages), "-".join(str(s.out) for s in arch.stages)
    kernels = [getattr(stage.block, "kernel", None) for stage in arch.stages]
    sizes = "" if all(k is None for k in kernels) else f", kernels {'-'.join(str(k or NONE) for k in kernels)}"
    flops, params = (
        max(zip(parts, shares(values), strict=True), key=lambda pair: pair[1])
        for values in ([p.cost.flops for p in parts], [p.cost.params for p in parts])
    )
    return (
        f"{count(arch.depth, 'block')} in {count(len(arch.stages), 'stage')} ({depths}), channels {widths}{sizes}. "
        f"Largest share of the {compact(sum(p.cost.flops for p in parts))} FLOPs: {flops[0].name} ({flops[1]:.0f}%); "
        f"of the {compact(sum(p.cost.params for p in parts))} parameters: {params[0].name} ({params[1]:.0f}%). "
        "Drawn to scale: one bar per block, its height the output channels, the square the kernel."
    )
