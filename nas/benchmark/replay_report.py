"""A replay as the command shows it: tables for the terminal, JSON, a standalone page with the curves, and what the
numbers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich import box
from rich.table import Table

from nas.analysis.multiple_comparisons import VALUES, bonferroni_level, bonferroni_note, too_few
from nas.analysis.seed_noise import Floats
from nas.benchmark.replay import Bench, ReplayPlan, Run, Unit, budget, plans, replay
from nas.benchmark.replay_summary import SHARES, STEPS, Curves, ReplaySummary, curves_of, estimate, of_world, summarise
from nas.benchmark.surrogate import Surrogate
from nas.benchmark.table import RecordedTable
from nas.records.files import write_whole
from nas.records.settings import Sampler, Stop
from space import InputError
from space.processor import cores

COLOURS = ("#7F7F7F", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WITHOUT = " Without: the seeds are too few for one."
STOPPING = (
    "cost, kept: training cost and hypervolume over those of the same trials without stopping. wrong stops: front "
    "members that were stopped."
)


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
    def summaries(self) -> list[ReplaySummary]:
        return [summarise(plan, own, self.curves) for plan, own in self.runs.items()]

    def tables(self) -> list[Table]:
        """Per world: hypervolume as it grows, what was stopped, and when the references are reached."""
        found = []
        for world in dict.fromkeys(plan.world for plan in self.runs):
            rows = [row for row in self.summaries if row.plan.world == world]
            volumes = [[str(row.plan), *map(str, row.volumes)] for row in rows]
            stopping = [
                [str(row.plan), f"{row.trials:.0f}{'*' if row.exhausted else ''}", f"{row.stopped:.0%}",
                 f"{row.spent:.0%}", f"{row.kept:.2%}", f"{row.missed.mean:.1%}"]
                for row in rows
            ]  # fmt: skip
            reaches = [[str(row.plan), *map(str, row.reaches)] for row in rows]
            references = [each.reference for each in rows[0].reaches]
            held = self._held("±", volumes)
            if held and any("±" not in cell for _, *cells in volumes for cell in cells):
                held += WITHOUT
            found += [
                _table(
                    f"{world}: hypervolume (x 100) at parts of the budget, mean over seeds",
                    [f"{share:.0%}" for share in SHARES], volumes, held,
                ),
                _table(
                    f"{world}: trials, and what their early stops saved and cost",
                    ["trials", "stopped", "cost", "kept", "wrong stops"], stopping,
                    STOPPING + " *: no network was left." * any(row.exhausted for row in rows),
                ),
                _table(
                    f"{world}: reaches, with which part of the budget", references, reaches,
                    self._held("[ ]", reaches),
                ),
            ]  # fmt: skip
        return found

    def _held(self, sign: str, rows: Sequence[Sequence[str]]) -> str:
        """That the intervals of these rows' cells hold together; nothing for too few seeds."""
        count = sum(len(cells) for _, *cells in rows)
        return "" if self.seeds < VALUES else f"{sign}: {bonferroni_note(count, 'intervals')}."

    def notes(self) -> list[str]:
        """What the numbers are, and how far they can be trusted."""
        bench, table, seeds = self.bench, self.bench.table, self.seeds
        unit = "3 x FLOPs x images multiply-accumulates" if bench.unit == "flops" else "seconds as recorded"
        lines = [
            f"{len(table.recordings)} recorded trainings of {len(table.networks)} networks, {table.settings.training}; "
            f"{seeds} seed{'' if seeds == 1 else 's'}; cost: {unit}, the budget is {bench.limit:.3g}; hypervolume over "
            f"{table.band} FLOPs.",
            "table: recorded networks in random order with their real curves. reaches X: part of the budget at which "
            "the mean hypervolume is what X has at the end.",
        ]
        if bench.surrogate is not None:
            s = bench.surrogate
            lines.append(
                "surrogate: a model fitted to the table answers for every network. Kendall's tau with held-out "
                f"trainings (cross-validated over networks): {s.tau:.2f} overall (FLOPs alone {s.tau_flops:.2f}), "
                f"{s.tau_within:.2f} at equal FLOPs; what it does not know counts as noise."
            )
        if seeds < VALUES:
            lines.append(f"{too_few(seeds, 'seed', VALUES).capitalize()}.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Everything that the tables and the page are made of."""
        bench, surrogate = self.bench, self.bench.surrogate
        return {
            "unit": bench.unit,
            "budget": bench.limit,
            "networks": len(bench.table.networks),
            "trainings": len(bench.table.recordings),
            "surrogate": surrogate and {name: getattr(surrogate, name) for name in ("tau", "tau_within", "tau_flops")},
            "shares": SHARES,
            "plans": [{**asdict(row), "growth": self._growth(row.plan)} for row in self.summaries],
        }

    def _growth(self, plan: ReplayPlan) -> list[dict[str, Any]]:
        """Along the budget; the curves of a world hold together, each point of them by itself."""
        level = bonferroni_level(len(of_world(self.curves, plan.world)))
        return [asdict(estimate(column, level)) for column in self.curves[plan][:, ::5].T]


def run_replay(
    path: Path | None, samplers: Sequence[str], stops: Sequence[str], seeds: int, trials: int | None,
    unit: Unit, processes: int | None, page: Path | None,
) -> Report:  # fmt: skip
    """The command: loads, fits a surrogate where a sampler needs one, runs, writes the page. None: see the command."""
    table = RecordedTable.load(path)
    chosen = plans(_known("sampler", samplers, Sampler), _known("stop", stops, Stop))
    wants = any(plan.world == "surrogate" for plan in chosen)
    limit = budget(table, trials or min(40, max(1, len(table.networks) // 4)), unit)
    bench = Bench(table, Surrogate.fit(table) if wants else None, unit, limit)
    report = Report(replay(bench, chosen, seeds, processes or cores()), bench, seeds)
    if page is not None:
        plot(report.curves, report.notes(), page)
    return report


def _known(field: str, words: Sequence[str], kind: Any) -> list[Any]:
    for word in words:
        if word not in get_args(kind):
            raise InputError(f"{field} must be one of {', '.join(get_args(kind))}, got {word}; choose one")
    return list(words)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Table:
    """`rows`: the plan, then a cell a column."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    table.box, table.padding, table.pad_edge = box.SIMPLE_HEAD, 0, False
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


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
    write_whole(path, page)


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
