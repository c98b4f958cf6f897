"""What a replay found, as numbers, a table for the terminal, JSON and a standalone page with the curves."""

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
from nas.analysis.seed_noise import student_t
from nas.benchmark.replay import Bench, ReplayPlan, Run, Unit, World, budget, plans, replay
from nas.benchmark.surrogate import Surrogate
from nas.benchmark.table import Floats, RecordedTable
from nas.records.files import write_whole
from nas.records.settings import Sampler
from nas.samplers.early_stopping import StopName
from space import InputError
from space.processor import cores

SHARES = (0.1, 0.2, 0.33, 0.5, 1.0)  # of the budget, at which the table gives hypervolumes
STEPS = 500  # of the grid of costs
RESAMPLES = 10_000  # of which a dozen lie beyond either end of one of 20 intervals
REFERENCES = (("random", "none"), ("tpe", "none"), ("nsga2", "none"), ("random", "moasha"))
COLOURS = ("#7F7F7F", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds, 0 to 1, and its interval; None for too few seeds, and where it is wider than that."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """In percent: `57.93 ±0.21`, or `57.93` without an interval."""
        half = "" if self.low is None or self.high is None else f" ±{50 * (self.high - self.low):.2f}"
        return f"{100 * self.mean:.2f}{half}"


@dataclass(frozen=True, slots=True)
class ShareToReach:
    """The part of the budget at which a plan's mean hypervolume reaches what a reference has at the end; None: never.
    The interval is of resamples of the seeds, None in it: not within the budget; none at all for fewer than VALUES."""

    reference: str
    share: float | None
    interval: tuple[float | None, float | None] | None

    def __str__(self) -> str:
        """`44% [36%, 69%]`, `90% [68%, never]`, or `44%` without an interval or where that is no wider."""
        share, *ends = ("never" if value is None else f"{value:.0%}" for value in (self.share, *(self.interval or ())))
        return share if set(ends) <= {share} else f"{share} [{', '.join(ends)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySummary:
    """One plan over all seeds."""

    plan: ReplayPlan
    seeds: int
    volumes: tuple[Estimate, ...]  # at SHARES of the budget
    reaches: tuple[ShareToReach, ...]
    trials: float  # mean
    stopped: float  # share of trials
    spent: float  # cost over what the same trials had cost without stopping
    kept: float  # hypervolume over what the same trials had given without stopping
    missed: Estimate  # share of front members that were stopped
    exhausted: int  # runs that had no network left

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def volumes_along(run: Run, limit: float) -> Floats:
    """(STEPS + 1,) hypervolume at 0, ..., 1 of the budget; 0 before the first trial has finished."""
    costs = np.array([cost for cost, _ in run.steps])
    volumes = np.array([0.0, *(volume for _, volume in run.steps)])
    grid = np.linspace(0, limit, STEPS + 1)
    found: Floats = volumes[np.searchsorted(costs, grid, side="right")]
    return found


def summarise_runs(runs: Mapping[ReplayPlan, Sequence[Run]], bench: Bench) -> list[ReplaySummary]:
    """One summary a plan, each compared with the references of its own world."""
    curves = {plan: np.array([volumes_along(run, bench.limit) for run in each]) for plan, each in runs.items()}
    return [_summary(plan, runs[plan], curves) for plan in runs]


def _summary(plan: ReplayPlan, runs: Sequence[Run], curves: Mapping[ReplayPlan, Floats]) -> ReplaySummary:
    own = curves[plan]
    places = [round(share * STEPS) for share in SHARES]
    references = [other for other in _references(plan.world) if other in curves]
    beside = sum(other.world == plan.world for other in curves)  # plans of the same tables
    at_shares = bonferroni_level(beside * len(places))
    missed, level = np.array([run.missed / run.front for run in runs]), bonferroni_level(beside * len(references))
    return ReplaySummary(
        plan=plan, seeds=len(runs), volumes=tuple(estimate(own[:, at], at_shares) for at in places),
        reaches=tuple(share_needed(str(other), own, curves[other][:, -1], level) for other in references),
        trials=float(np.mean([run.trials for run in runs])),
        stopped=float(np.mean([run.stopped / run.trials for run in runs])),
        spent=float(np.mean([run.cost / run.full_cost for run in runs])),
        kept=float(np.mean([run.kept for run in runs])), missed=estimate(missed, bonferroni_level(beside)),
        exhausted=sum(run.exhausted for run in runs),
    )  # fmt: skip


def _references(world: World) -> list[ReplayPlan]:
    return [ReplayPlan(world, sampler, stop) for sampler, stop in REFERENCES]  # type: ignore[arg-type]


def estimate(values: Floats, level: float) -> Estimate:
    """Mean and Student's interval at this level; the mean alone for fewer than VALUES, or where it leaves 0 to 1."""
    mean, n = float(values.mean()), len(values)
    if n < VALUES:
        return Estimate(mean, None, None)
    half = float(student_t(n - 1, level) * values.std(ddof=1) / np.sqrt(n))
    ends = (mean - half, mean + half)
    return Estimate(mean, *(ends if ends[0] >= 0 and ends[1] <= 1 else (None, None)))


def share_needed(reference: str, own: Floats, finals: Floats, level: float) -> ShareToReach:
    """`own`: (seeds, STEPS + 1) curves; `finals`: (seeds,) of the reference."""
    share = _finite(_crossing(own.mean(axis=0), finals.mean()))
    if min(len(own), len(finals)) < VALUES:
        return ShareToReach(reference, share, None)
    rng = np.random.default_rng(0)
    picks = rng.integers(len(own), size=(RESAMPLES, len(own)))
    targets = finals[rng.integers(len(finals), size=(RESAMPLES, len(finals)))].mean(axis=1)
    weights = np.apply_along_axis(np.bincount, 1, picks, minlength=len(own)) / len(own)
    found = np.array([_crossing(curve, target) for curve, target in zip(weights @ own, targets, strict=True)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return ShareToReach(reference, share, (_finite(low), _finite(high)))


def _finite(value: float) -> float | None:
    return None if np.isinf(value) else float(value)


def _crossing(curve: Floats, target: float) -> float:
    """Share of the budget from which a curve is at the target, infinite for never."""
    above = np.flatnonzero(curve >= target - 1e-12)
    return float(above[0] / STEPS) if len(above) else float("inf")


def notes(bench: Bench, seeds: int) -> list[str]:
    """What the numbers are, and how far they can be trusted."""
    unit = "3 x FLOPs x images x epochs multiply-accumulates" if bench.unit == "flops" else "seconds as recorded"
    table = bench.table
    lines = [
        f"{len(table.recordings)} recorded trainings of {len(table.networks)} networks, {table.settings.training}; "
        f"{seeds} seed{'' if seeds == 1 else 's'}; cost: {unit}, the budget is {bench.limit:.3g}; hypervolume over "
        f"{table.band} FLOPs.",
        "table: recorded networks in random order with their real curves. reaches X: part of the budget at which the "
        "mean hypervolume is what X has at the end.",
    ]
    if bench.surrogate is not None:
        s = bench.surrogate
        lines.append(
            "surrogate: a model fitted to the table answers for every network. Kendall's tau with held-out trainings "
            f"(cross-validated over networks): {s.tau:.2f} overall (FLOPs alone {s.tau_flops:.2f}), {s.tau_within:.2f} "
            "at equal FLOPs; what it does not know counts as noise."
        )
    if seeds < VALUES:
        lines.append(f"{too_few(seeds, 'seed', VALUES).capitalize()}.")
    return lines


def tables(summaries: Sequence[ReplaySummary]) -> list[Table]:
    """Per world: hypervolume as it grows, what was stopped, and when the references are reached."""
    found = []
    for world in dict.fromkeys(summary.plan.world for summary in summaries):
        rows = [summary for summary in summaries if summary.plan.world == world]
        volumes = [f"{share:.0%}" for share in SHARES]
        volumes_table = _table(f"{world}: hypervolume (x 100) at parts of the budget, mean over seeds", volumes)
        for row in rows:
            volumes_table.add_row(str(row.plan), *map(str, row.volumes))
        references = [r.reference for r in rows[0].reaches]
        reaches_table = _table(f"{world}: reaches, with which part of the budget", references)
        for row in rows:
            reaches_table.add_row(str(row.plan), *map(str, row.reaches))
        for table, columns, sign in ((volumes_table, volumes, "±"), (reaches_table, references, "[ ]")):
            if rows[0].seeds >= VALUES:
                none = " Without: the seeds are too few for one." * any(
                    "±" not in str(v) for r in rows for v in r.volumes
                )
                table.caption = (
                    f"{sign}: {bonferroni_note(len(rows) * len(columns), 'intervals')}.{none * (sign == '±')}"
                )
        found += [volumes_table, _stopping_table(world, rows), reaches_table]
    return found


def _stopping_table(world: World, rows: Sequence[ReplaySummary]) -> Table:
    names = ["trials", "stopped", "cost", "kept", "wrong stops"]
    table = _table(f"{world}: trials, and what their early stops saved and cost", names)
    for row in rows:
        shares = (f"{row.stopped:.0%}", f"{row.spent:.0%}", f"{row.kept:.2%}", f"{row.missed.mean:.1%}")
        table.add_row(str(row.plan), f"{row.trials:.0f}{'*' if row.exhausted else ''}", *shares)
    table.caption = (
        "cost, kept: training cost and hypervolume over those of the same trials without stopping. wrong stops: front "
        "members that were stopped." + " *: no network was left." * any(row.exhausted for row in rows)
    )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.box, table.padding, table.pad_edge = box.SIMPLE_HEAD, 0, False
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


@dataclass(frozen=True)
class Report:
    """A replay that has run."""

    runs: Mapping[ReplayPlan, Sequence[Run]]
    bench: Bench
    seeds: int

    @cached_property
    def summaries(self) -> list[ReplaySummary]:
        return summarise_runs(self.runs, self.bench)

    def tables(self) -> list[Table]:
        return tables(self.summaries)

    def notes(self) -> list[str]:
        return notes(self.bench, self.seeds)

    def to_json(self) -> dict[str, Any]:
        return to_json(self.summaries, self.runs, self.bench)


def run_replay(
    path: Path | None, samplers: Sequence[str], stops: Sequence[str], seeds: int, trials: int | None,
    unit: Unit, processes: int | None, page: Path | None,
) -> Report:  # fmt: skip
    """The command: loads, fits a surrogate where a sampler needs one, runs, writes the page. None: see the command."""
    table = RecordedTable.load(path)
    chosen = plans(_known("sampler", samplers, Sampler), _known("stop", stops, StopName))
    wants = any(plan.world == "surrogate" for plan in chosen)
    limit = budget(table, trials or min(40, max(1, len(table.networks) // 4)), unit)
    bench = Bench(table, Surrogate.fit(table) if wants else None, unit, limit)
    report = Report(replay(bench, chosen, seeds, processes or cores()), bench, seeds)
    if page is not None:
        plot(report.runs, bench, page, seeds)
    return report


def _known(field: str, words: Sequence[str], kind: Any) -> list[Any]:
    for word in words:
        if word not in get_args(kind):
            raise InputError(f"{field} must be one of {', '.join(get_args(kind))}, got {word}; choose one")
    return list(words)


def to_json(
    summaries: Sequence[ReplaySummary], runs: Mapping[ReplayPlan, Sequence[Run]], bench: Bench
) -> dict[str, Any]:
    """Everything that the tables and the plot are made of."""
    surrogate = bench.surrogate
    curves = {plan: np.array([volumes_along(run, bench.limit) for run in each])[:, ::5] for plan, each in runs.items()}
    return {
        "unit": bench.unit,
        "budget": bench.limit,
        "networks": len(bench.table.networks),
        "trainings": len(bench.table.recordings),
        "surrogate": surrogate
        and {"tau": surrogate.tau, "tau_within": surrogate.tau_within, "tau_flops": surrogate.tau_flops},
        "shares": SHARES,
        "plans": [
            {
                **row.to_json(),
                "growth": [asdict(estimate(column, _alone(row.plan, runs))) for column in curves[row.plan].T],
            }
            for row in summaries
        ],
    }


def _alone(plan: ReplayPlan, runs: Mapping[ReplayPlan, Sequence[Run]]) -> float:
    """The level of a curve's interval: the curves of a picture hold together, each point of them by itself."""
    return bonferroni_level(sum(other.world == plan.world for other in runs))


def plot(runs: Mapping[ReplayPlan, Sequence[Run]], bench: Bench, path: Path, seeds: int) -> None:
    """Writes a page with the hypervolume curves; it holds all it needs, and may fetch nothing."""
    import plotly.graph_objects as go  # type: ignore[import-untyped]
    from plotly.io import to_html  # type: ignore[import-untyped]

    bodies: list[str] = []
    for world in dict.fromkeys(plan.world for plan in runs):
        figure = go.Figure()
        for colour, plan in zip(COLOURS * 3, [plan for plan in runs if plan.world == world], strict=False):
            curves = np.array([volumes_along(run, bench.limit) for run in runs[plan]])
            _draw(figure, str(plan), curves, colour, _alone(plan, runs))
        figure.update_layout(
            title=world, template="simple_white", height=520, hovermode="x unified",
            xaxis={"title": "part of the budget", "tickformat": ".0%"},
            yaxis={"title": "hypervolume, accuracy over log FLOPs", "range": _range(runs, bench, world)},
        )  # fmt: skip
        bodies.append(to_html(figure, full_html=False, include_plotlyjs=not bodies, config={"displaylogo": False}))
    bands = "Bands: 95% for the curves of a picture together (Bonferroni), at each part of the budget by itself."
    text = "".join(f"<p>{line}</p>" for line in [*notes(bench, seeds), *([bands] if seeds >= VALUES else [])])
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>nas replay</title>
<meta http-equiv="Content-Security-Policy" content="{policy}"></head>
<body style="font-family: sans-serif; max-width: 70em; margin: auto">{"".join(bodies)}{text}</body></html>
"""
    write_whole(path, page)


def _draw(figure: Any, name: str, curves: Floats, colour: str, level: float) -> None:
    """A line for the mean and a band for its interval, from where every seed has a finished trial."""
    begin = int(np.argmax((curves > 0).all(axis=0)))
    every = range(begin, STEPS + 1, 5)
    shares = [place / STEPS for place in every]
    estimates = [estimate(curves[:, place], level) for place in every]
    if len(curves) >= VALUES:
        known = [(share, e) for share, e in zip(shares, estimates, strict=True) if e.low is not None]
        band = [e.high for _, e in known] + [e.low for _, e in reversed(known)]
        across = [share for share, _ in known]
        figure.add_scatter(
            x=across + across[::-1], y=band, fill="toself", fillcolor=colour, opacity=0.15, line={"width": 0},
            hoverinfo="skip", showlegend=False, legendgroup=name,
        )  # fmt: skip
    figure.add_scatter(
        x=shares, y=[e.mean for e in estimates], name=name, legendgroup=name, mode="lines", line={"color": colour}
    )


def _range(runs: Mapping[ReplayPlan, Sequence[Run]], bench: Bench, world: World) -> list[float]:
    """From what the worst plan has at a tenth of the budget."""
    means = [
        np.mean([volumes_along(run, bench.limit) for run in each], axis=0)
        for plan, each in runs.items()
        if plan.world == world
    ]
    low, high = min(mean[STEPS // 10] for mean in means), max(mean[-1] for mean in means)
    return [float(low), float(high + 0.1 * (high - low))]
