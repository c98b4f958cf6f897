"""How a study went: its hypervolume as training goes on, what each worker did when; and the curve of one training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dashboard.charts.style import (
    ABOVE,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SHARE,
    THOUSANDS,
    VERMILLION,
    Figure,
    finite,
    hatched,
    layout,
    title,
)  # fmt: skip
from dashboard.number_format import count, percent
from nas.analysis.history import Crew, Span, Step, crew
from nas.records.scores import SHORT, WORDS, Metric
from nas.records.trial import Period, Trial
from space import compact

COSTS = {"images": "training images", "seconds": "seconds of training", "clock": "hours since the start"}
STATES = {
    "complete": (BLUE, ""), "stopped": (ORANGE, "/"), "failed": (VERMILLION, "x"), "interrupted": (GREY, "\\"),
    "running": (GREEN, "."),
}  # fmt: skip
SHOWN = 500  # trials of a timeline


def growth_figure(steps: Sequence[Step], cost: str, beside: Sequence[Step] = ()) -> Figure:
    """Hypervolume of the front after every trial, over what was spent (a key of COSTS); the baseline's dashed."""
    rows = (("this search", steps, BLUE, "solid"), ("random search", beside, GREY, "dash"))
    data = [growth_line(name, *_line(line, cost), cost, colour, dash) for name, line, colour, dash in rows]
    return {"data": [line for line in data if line["x"]], "layout": growth_layout(330, cost)}


def growth_line(name: str, x: Sequence[Any], y: Sequence[Any], cost: str, colour: str, dash: str) -> dict[str, Any]:
    number = ",.0f" if cost == "images" else ",.6~g"  # which would write 2.06e+6
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y,
        "line": {"shape": "hv", "width": 2.2, "color": colour, "dash": dash},
        "hovertemplate": f"{name}: %{{y:.4f}} after %{{x:{number}}} {COSTS[cost]}<extra></extra>",
    }  # fmt: skip


def growth_layout(height: int, cost: str) -> dict[str, Any]:
    chart = layout(height)
    chart["xaxis"] |= {"title": title(COSTS[cost]), "rangemode": "tozero", "labelalias": THOUSANDS}
    chart["yaxis"] |= {"title": title("hypervolume"), "nticks": 6}
    return chart | {"legend": ABOVE}


def _line(steps: Sequence[Step], cost: str) -> tuple[list[float | None], list[float | None]]:
    """From where there is a front; points that change nothing are left out, but for the last."""
    found = [s for s in steps if s.hypervolume > 0 and getattr(s, cost) is not None]
    kept = [s for i, s in enumerate(found) if i in (0, len(found) - 1) or s.hypervolume != found[i - 1].hypervolume]
    return finite(float(getattr(s, cost)) for s in kept), finite(s.hypervolume for s in kept)


def growth_caption(steps: Sequence[Step], beside: Sequence[Step] = ()) -> str:
    """What the lines show, with their numbers."""
    if not steps or steps[-1].hypervolume <= 0:
        return "No front yet: no network inside the budget has finished."
    last = steps[-1]
    near = next(step for step in steps if step.hypervolume >= 0.99 * last.hypervolume)
    risen = max((s for s, before in zip(steps[1:], steps, strict=False) if s.hypervolume > before.hypervolume),
                key=lambda s: s.images, default=steps[0])  # fmt: skip
    parts = [
        f"Hypervolume is {last.hypervolume:.4f} after {last.images:,} training images. It reached 99% of that after "
        f"{near.images:,} and last rose with trial {risen.number}, after {risen.images:,}."
    ]
    if beside and beside[-1].hypervolume > 0:
        end = beside[-1]
        met = next((step for step in steps if step.hypervolume >= end.hypervolume), None)
        reached = "has not reached that" if met is None else f"reached that after {met.images:,}"
        parts.append(f"Random search has {end.hypervolume:.4f} after {end.images:,} images; this search {reached}.")
    return " ".join(parts)


def timeline_figure(spans: Sequence[Span]) -> Figure:
    """A row per worker, a bar per trial from the start of its training to its end; colour, hatching: how it ended."""
    shown = spans[-SHOWN:]
    workers = list(dict.fromkeys(span.worker for span in shown))
    chart = layout(max(170, 120 + 34 * len(workers)))
    data = [_bars(state, [span for span in shown if span.state == state]) for state in STATES]
    chart["xaxis"] |= {"type": "date", "title": title("time, UTC")}
    chart["yaxis"] |= {
        "type": "category", "categoryorder": "array", "categoryarray": workers[::-1], "fixedrange": True,
        "showgrid": False,
    }  # fmt: skip
    chart |= {"barmode": "overlay", "bargap": 0.3, "legend": ABOVE}
    return {"data": [trace for trace in data if trace["x"]], "layout": chart}


def _bars(state: str, spans: Sequence[Span]) -> dict[str, Any]:
    colour, hatch = STATES[state]
    lengths = [max(1.0, 1000 * (span.ended - span.begun).total_seconds()) for span in spans]
    return {
        "type": "bar", "orientation": "h", "name": state, "y": [span.worker for span in spans], "x": lengths,
        "base": [span.begun.isoformat() for span in spans], "customdata": [span.number for span in spans],
        "text": [f"{length / 1000:,.1f} s" for length in lengths], "textposition": "none",
        "marker": {"color": colour, "pattern": hatched(hatch), "line": {"width": 0.6, "color": "@back"}},
        "hovertemplate": f"trial %{{customdata}} {state}, %{{text}}<extra></extra>",
    }  # fmt: skip


def timeline_caption(spans: Sequence[Span]) -> str:
    """How many worked at once, for how much of their time they were training, and how trials ended."""
    if not spans:
        return "No worker is on record."
    found, states = crew(spans), Counter(span.state for span in spans)
    ends = ", ".join(f"{number:,} {state}" for state, number in states.most_common())
    its = "its" if found.workers == 1 else "their"
    share = f", training {found.share:.0%} of {its} time" if found.share is not None else ""
    part = f" The chart shows the latest {SHOWN} trials." if len(spans) > SHOWN else ""
    return f"{_workers(found)}{share}. Trials: {ends}.{part}"


def _workers(found: Crew) -> str:
    """`2 workers at once`, `1 worker at a time, 3 one after the other`, `2 workers at once at most, 5 in all`."""
    if found.workers == 1:
        return "1 worker"
    if found.together == 1:
        return f"1 worker at a time, {found.workers:,} one after the other"
    rest = "" if found.together == found.workers else f" at most, {found.workers:,} in all"
    return f"{found.together:,} workers at once{rest}"


def losses(trials: tuple[Trial, ...]) -> list[str]:
    """Trials that were stopped, by rung, and that failed, in words."""
    rungs = Counter(trial.images or 0 for trial in trials if trial.state == "stopped")
    lines = []
    if rungs:
        each = ", ".join(f"{n} after {compact(images)} images" for images, n in sorted(rungs.items()))
        lines.append(f"Trials stopped early: {each}.")
    if failed := sum(trial.state == "failed" for trial in trials):
        lines.append(f"Failed: {count(failed, 'trial')}. The Trials page lists the reasons.")
    if lost := sum(trial.state == "interrupted" for trial in trials):
        lines.append(f"Interrupted and queued again: {count(lost, 'trial')}.")
    return lines or ["No trial was stopped, interrupted or failed."]


def curve_figure(periods: Sequence[Period], metric: Metric = "accuracy") -> Figure:
    """What is maximised on the validation split, in percent, above, mean training loss below, over training images."""
    chart = layout(300)
    x = [e.images for e in periods]
    scores = [100 * e.score(metric) for e in periods]
    panels = ((WORDS[metric], scores, BLUE), ("loss", [e.loss for e in periods], VERMILLION))
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": finite(y), "yaxis": axis,
            "line": {"color": colour, "width": 2}, "marker": {"size": 5 if len(x) > 1 else 9}, "showlegend": False,
            "hovertemplate": f"%{{x:,}} images<br>{name} %{{y:.4g}}<extra></extra>", "cliponaxis": False,
        }
        for (name, y, colour), axis in zip(panels, ("y", "y2"), strict=True)
    ]  # fmt: skip
    chart["yaxis"] |= {"domain": [0.56, 1], "title": title(f"{SHORT[metric]}, %"), "nticks": 5}
    chart["yaxis2"] = chart["yaxis"] | {"domain": [0, 0.44], "title": title("loss"), "anchor": "x"}
    chart["yaxis"] |= SHARE
    chart["xaxis"] |= {
        "title": title("training images"), "anchor": "y2", "rangemode": "tozero", "labelalias": THOUSANDS,
    }  # fmt: skip
    return {"data": data, "layout": chart}


def curve_caption(periods: Sequence[Period], metric: Metric = "accuracy") -> str:
    """The curve in a sentence."""
    last, top = periods[-1], max(periods, key=lambda e: e.score(metric))
    ends = f"validation {WORDS[metric]} {percent(last.score(metric))}, training loss {last.loss:.3g}"
    return (
        f"After {last.images:,} training images and {last.seconds:.1f} s: {ends}; best {percent(top.score(metric))} "
        f"after {top.images:,}. One seed."
    )
