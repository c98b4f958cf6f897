"""A replay as the command shows it: its tables, JSON, a standalone page with the curves, and what the numbers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.table import Table

from nas.analysis.about import OF_ROWS, about_study
from nas.analysis.multiple_comparisons import VALUES, bonferroni_level, too_few
from nas.analysis.seed_noise import Floats
from nas.benchmark.exhaustive import Exhaustive, is_exhaustive
from nas.benchmark.replay import Bench, ReplayPlan, Run, Unit, budget, plans, replay
from nas.benchmark.replay_summary import (
    SHARES,
    STEPS,
    Curves,
    ReplaySummary,
    curves_of,
    estimate,
    gaps_of,
    of_world,
    summarise,
)
from nas.benchmark.replay_tables import replay_tables
from nas.benchmark.surrogate import Surrogate
from nas.benchmark.table import RecordedTable
from nas.process.files import write_asked
from nas.process.progress import StepLine
from nas.records.settings import DESIGN, Sampler, Stop
from space import InputError
from space.processor import cores

COLOURS = ("#7F7F7F", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True)
class Report:
    """A replay that has run."""

    runs: Mapping[ReplayPlan, Sequence[Run]]
    bench: Bench
    seeds: int

    @cached_property
    def curves(self) -> Curves:
        return curves_of(self.runs, self.bench)

    @cached_property
    def gaps(self) -> Curves:
        return gaps_of(self.runs, self.bench)

    @cached_property
    def summaries(self) -> list[ReplaySummary]:
        return [summarise(plan, own, self.curves, self.gaps) for plan, own in self.runs.items()]

    def tables(self) -> list[Table]:
        return list(replay_tables(self.summaries, self.seeds))

    def notes(self) -> list[str]:
        """What the numbers are, and how far they can be trusted."""
        bench, table, seeds = self.bench, self.bench.table, self.seeds
        unit = "3 x FLOPs x images multiply-accumulates" if bench.unit == "flops" else "seconds as recorded"
        lines = [
            f"{len(table.recordings)} recorded trainings of {len(table.networks)} networks, {table.settings.training}; "
            f"{seeds} seed{'' if seeds == 1 else 's'}; cost: {unit}, the budget is {bench.limit:.3g}; hypervolume over "
            f"{table.band} FLOPs.",
        ]
        worlds = {plan.world for plan in self.runs}
        if "table" in worlds:
            lines.append("table: recorded networks in random order with their real curves.")
        if "exhaustive" in worlds:
            again = sum(len(rows) > 1 for rows in table.networks.values())
            lines.append(
                "exhaustive: the table holds every network of its space, so samplers propose what they like and "
                f"nothing is modelled. A network is worth the mean of its trainings ({again} of them have several)."
            )
        if isinstance(s := bench.answers, Surrogate):
            lines.append(
                "surrogate: a model fitted to the table answers for every network. Kendall's tau with held-out "
                f"trainings (cross-validated over networks): {s.tau:.2f} overall (FLOPs alone {s.tau_flops:.2f}), "
                f"{s.tau_within:.2f} at equal FLOPs; what it does not know counts as noise."
            )
        if seeds < VALUES:
            lines.append(f"{too_few(seeds, 'seed', VALUES).capitalize()}.")
        return lines

    def to_json(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Everything that the tables and the page are made of: what they are of, the studies that were recorded
        included, and a row per plan."""
        bench = self.bench
        surrogate = bench.answers if isinstance(bench.answers, Surrogate) else None
        about = {
            **about_study(bench.table.settings, OF_ROWS),
            "networks": len(bench.table.networks),
            "trainings": len(bench.table.recordings),
            "cost": bench.unit,
            "cost_limit": bench.limit,
            "runs": self.seeds,
            "surrogate": surrogate and {name: getattr(surrogate, name) for name in ("tau", "tau_within", "tau_flops")},
            "shares": SHARES,
        }
        del about["study"]  # of several, perhaps
        return about, [{**asdict(row), "growth": self._growth(row.plan)} for row in self.summaries]

    def _growth(self, plan: ReplayPlan) -> list[dict[str, Any]]:
        """Along the budget; the curves of a world hold together, each point of them by itself."""
        level = bonferroni_level(len(of_world(self.curves, plan.world)))
        return [asdict(estimate(column, level)) for column in self.curves[plan][:, ::5].T]


def run_replay(
    path: Path | None, samplers: Sequence[str], stops: Sequence[str], seeds: int, trials: int | None,
    unit: Unit, processes: int | None, page: Path | None, steps: StepLine | None = None,
) -> Report:  # fmt: skip
    """The command: loads, fits a surrogate where a sampler needs one, runs, writes the page. None: see the command."""
    table = RecordedTable.load(path)
    if table.settings.sampler == DESIGN:
        raise InputError(
            f"table must be of random networks to be replayed, got {path}, of a design; nas steps tells it"
        )
    whole = is_exhaustive(table)
    chosen = plans(_known("sampler", samplers, Sampler), _known("stop", stops, Stop), whole)
    asked = any(plan.world != "table" for plan in chosen)
    answers = (Exhaustive.of(table) if whole else Surrogate.fit(table)) if asked else None
    limit = budget(table, trials or min(40, max(1, len(table.networks) // 4)), unit)
    bench = Bench(table, answers, unit, limit)
    with (steps or StepLine.unseen()).step(unit="runs") as seen:
        report = Report(replay(bench, chosen, seeds, processes or cores(), seen), bench, seeds)
    if page is not None:
        plot(report.curves, report.notes(), page)
    return report


def _known(field: str, words: Sequence[str], kind: Any) -> list[Any]:
    for word in words:
        if word not in get_args(kind):
            raise InputError(f"{field} must be one of {', '.join(get_args(kind))}, got {word}; choose one")
    return list(words)


def plot(curves: Curves, notes: Sequence[str], path: Path) -> None:
    """Writes a page with the hypervolume curves; it holds all it needs, and may fetch nothing."""
    from plotly.io import to_html  # type: ignore[import-untyped]

    bodies: list[str] = []
    for world in dict.fromkeys(plan.world for plan in curves):
        figure = _figure(world, of_world(curves, world))
        bodies.append(to_html(figure, full_html=False, include_plotlyjs=not bodies, config={"displaylogo": False}))
    if all(len(each) >= VALUES for each in curves.values()):
        bands = "Bands: 95% for the curves of a picture together (Bonferroni), at each part of the budget by itself."
        notes = [*notes, bands]
    text = "".join(f"<p>{line}</p>" for line in notes)
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>nas replay</title>
<meta http-equiv="Content-Security-Policy" content="{policy}"></head>
<body style="font-family: sans-serif; max-width: 70em; margin: auto">{"".join(bodies)}{text}</body></html>
"""
    write_asked(path, page, "plot")


def _figure(world: str, curves: Curves) -> Any:
    """The curves of a world, from what the worst of them has at a tenth of the budget."""
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    figure = go.Figure()
    for place, (plan, own) in enumerate(curves.items()):
        _draw(figure, str(plan), own, COLOURS[place % len(COLOURS)], bonferroni_level(len(curves)))
    means = np.array([own.mean(axis=0) for own in curves.values()])
    low, high = float(means[:, STEPS // 10].min()), float(means[:, -1].max())
    figure.update_layout(
        title=world, template="simple_white", height=520, hovermode="x unified",
        xaxis={"title": "part of the budget", "tickformat": ".0%"},
        yaxis={"title": "hypervolume, accuracy over log FLOPs", "range": [low, high + 0.1 * (high - low)]},
    )  # fmt: skip
    return figure


def _draw(figure: Any, name: str, curves: Floats, colour: str, level: float) -> None:
    """A line for the mean and a band for its interval, from where every seed has a finished trial."""
    begin = int(np.argmax((curves > 0).all(axis=0)))
    estimates = {place / STEPS: estimate(curves[:, place], level) for place in range(begin, STEPS + 1, 5)}
    if len(curves) >= VALUES:
        known = {share: each for share, each in estimates.items() if each.low is not None}
        band = [each.high for each in known.values()] + [each.low for each in reversed(known.values())]
        figure.add_scatter(
            x=[*known, *reversed(known)], y=band, fill="toself", fillcolor=colour, opacity=0.15, line={"width": 0},
            hoverinfo="skip", showlegend=False, legendgroup=name,
        )  # fmt: skip
    figure.add_scatter(
        x=list(estimates), y=[each.mean for each in estimates.values()], name=name, legendgroup=name, mode="lines",
        line={"color": colour},
    )  # fmt: skip
