"""The front as a picture for a model card: SVG written by hand, which needs no browser. Pure: records -> text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.pareto import merged, pareto_front, score
from nas.records.scores import SHORT
from nas.records.trial import Trial
from space import Band

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 66, 20, 36, 56  # margins
BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#7F7F7F"  # Okabe-Ito; legible on white and on black
STEPS = (1, 2, 5)


def front_svg(trials: Sequence[Trial], band: Band, chosen: Trial, title: str, cost: CostAxis = FLOPS) -> str:
    """Every trained network at the mean of its seeds, over log `cost`, at least across `band` where it counts that; the
    front as a staircase; `chosen` ringed."""
    points, front = merged(trials), pareto_front(trials, cost.of)
    marked = next((t for t in points if t.number == chosen.number or (t.key and t.key == chosen.key)), chosen)
    plot = _Plot([*points, marked], band, cost)
    on_front = {trial.number for trial in front}
    lines = [*plot.axes(), plot.staircase(front)]
    for trial in points:
        filled = trial.number in on_front
        about = f"trial {trial.number}: {100 * score(trial):.2f}%, {cost.said(cost.on(trial))}"
        paint = f'fill="{BLUE}"' if filled else f'fill="{GREY}" fill-opacity="0.45"'
        lines.append(f'<circle {plot.place(trial)} r="{5 if filled else 3.5}" {paint}><title>{about}</title></circle>')
    lines.append(f'<circle {plot.place(marked)} r="10" fill="none" stroke="{VERMILLION}" stroke-width="3"/>')
    label = f"this network: {100 * score(marked):.2f}%, {cost.words(cost.on(marked))}"
    x, y = plot.x(cost.on(marked)), plot.y(score(marked))
    end, side = ("end", -15) if x > (WIDTH + LEFT) / 2 else ("start", 15)
    lines.append(f'<text x="{x + side:.1f}" y="{y + 22:.1f}" text-anchor="{end}" fill="{VERMILLION}">{label}</text>')
    heading = f'<text x="{LEFT}" y="20" fill="{GREY}" font-weight="bold">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="{escape(label)}">\n{heading}\n' + "\n".join(lines) + "\n</svg>\n"
    )


class _Plot:
    """From costs and accuracies to pixels."""

    def __init__(self, points: Sequence[Trial], band: Band, cost: CostAxis) -> None:
        self.short, self.cost, self.end = SHORT[points[0].metric], cost, band.high / cost.unit
        costs, scores = [cost.on(t) for t in points], [score(t) for t in points]
        low, high = min(band.low / cost.unit, *costs), max(self.end, *costs)
        self.low, self.high = math.log(low) - 0.05, math.log(high) + 0.05
        spread = max(max(scores) - min(scores), 0.01)
        self.bottom, self.top = min(scores) - 0.08 * spread, max(scores) + 0.08 * spread

    def x(self, cost: float) -> float:
        share = (math.log(cost) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)

    def place(self, trial: Trial) -> str:
        return f'cx="{self.x(self.cost.on(trial)):.1f}" cy="{self.y(score(trial)):.1f}"'

    def staircase(self, front: Sequence[Trial]) -> str:
        if not front:
            return ""
        path = [f"M{self.x(self.cost.on(front[0])):.1f} {self.y(score(front[0])):.1f}"]
        for trial in front[1:]:
            path += [f"H{self.x(self.cost.on(trial)):.1f}", f"V{self.y(score(trial)):.1f}"]
        path.append(f"H{self.x(max(self.end, self.cost.on(front[-1]))):.1f}")
        return f'<path d="{" ".join(path)}" fill="none" stroke="{BLUE}" stroke-width="2"/>'

    def axes(self) -> Iterable[str]:
        """Grid lines with their numbers, and what they are."""
        floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for cost in _round_costs(math.exp(self.low), math.exp(self.high)):
            x = f"{self.x(cost):.1f}"
            yield f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{floor}" stroke="{GREY}" stroke-opacity="0.3"/>'
            yield f'<text x="{x}" y="{floor + 18}" text-anchor="middle" fill="{GREY}">{self.cost.words(cost)}</text>'
        for value in _round_scores(self.bottom, self.top):
            y = self.y(value)
            yield f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}" stroke-opacity="0.3"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{GREY}">{100 * value:g}%</text>'
        middle = (LEFT + right) / 2
        words = f"{self.cost.label}, log scale; validation {self.short}"
        yield f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle" fill="{GREY}">{words}</text>'


def _round_costs(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10**power for power in powers for step in STEPS if low <= step * 10**power <= high]


def _round_scores(low: float, high: float) -> list[float]:
    """About five round numbers."""
    step = min((s * 10**p for p in range(-5, 1) for s in STEPS), key=lambda s: abs((high - low) / s - 5))
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
