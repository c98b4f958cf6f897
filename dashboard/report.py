"""A study as one HTML file that needs no server: the dashboard's charts with their sentences, tables, networks.

The file holds plotly itself and may fetch nothing; it follows the reader's dark or light theme.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from dashboard.charts import compare, network, progress, space
from dashboard.charts.front import View, front_figure
from dashboard.charts.front_caption import front_caption, measure_caption
from dashboard.charts.style import Figure
from dashboard.derived import (
    baseline,
    cost_axes_of,
    designs_of,
    history_of,
    networks_of,
    networks_table,
    outcome_of,
    varied_of,
)
from dashboard.frames import front_frame
from dashboard.number_format import FLOPS, NONE, count, evidence, percent, seeds_per_network
from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache
from nas.analysis.cost_axes import COUNTED, CostAxis
from nas.analysis.history import spans
from nas.analysis.importance import FEWEST, cells, importances, thirds
from nas.analysis.pareto import accuracy, flops, pareto_front
from nas.analysis.wording import mean_words
from nas.records.files import write_whole
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import InputError, compact

_HERE = Path(__file__).parent
NETWORKS = 8  # of the front that are drawn, spread over it


def write_report(folder: Path, out: Path) -> int:
    """Writes the report of the study in `folder` to `out`, which must not exist. Returns its size in bytes.

    Raises InputError for a study that cannot be read or has no finished network.
    """
    if out.exists():
        raise InputError(f"out must not exist, got {out}; choose another file with --out")
    cache = StudyCache()
    snapshot = cache.read(folder)
    if snapshot.settings is None:
        raise InputError(snapshot.problem or f"study must be readable, got {folder}; see `nas studies`")
    if not snapshot.scored:
        raise InputError(f"study must have a finished network to report, got none in {folder}; search on")
    text = page(cache, snapshot, snapshot.settings)
    write_whole(out, text)
    return out.stat().st_size


def page(cache: StudyCache, snapshot: Snapshot, settings: Settings) -> str:
    """The whole file."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    beside = baseline(cache, snapshot)
    parts = [
        _head(snapshot, settings),
        *_front(snapshot, settings, beside),
        *_progress(snapshot, beside),
        *_space(snapshot, settings),
        *(_compared(snapshot, beside) if beside else ()),
        *_networks(cache, snapshot, settings),
        _how(settings),
    ]
    figures = "".join(part for part in parts)
    name = html.escape(snapshot.name)
    scripts = "'unsafe-inline' 'unsafe-eval'"  # plotly compiles what WebGL draws with
    policy = f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
    files = ("report.css", "charts/theme.js", "report.js")
    style, theme, script = ((_HERE / name).read_text(encoding="utf-8") for name in files)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name} - nas report</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><style>{style}</style></head><body><main>{figures}</main>'
        f"<script>{get_plotlyjs()}</script><script>{theme}{script}</script></body></html>\n"
    )


def _head(snapshot: Snapshot, settings: Settings) -> str:
    best, data = snapshot.best, settings.data
    assert best is not None  # a study without a finished network is not reported
    counts = ", ".join(
        f"{snapshot.number_in(state):,} {state}"
        for state in ("complete", "stopped", "failed", "running")
        if snapshot.number_in(state)
    )
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"Best: {percent(accuracy(best.trial), 2)} ({evidence(settings, best.seeds)}) at {compact(flops(best.trial))} "
        f"FLOPs, trial {best.trial.number}. All networks: {evidence(settings, seeds_per_network(snapshot.trials))}. "
        f"Hypervolume {outcome_of(snapshot).hypervolume:.4f}.",
        f"Budget: {settings.band} {FLOPS}. Space: {settings.space_name}, drawn by {settings.sampler}, stop "
        f"{settings.stop}, seed {settings.seed}. Data: {data.name}, {data.image_size} px, "
        f"{count(len(data.classes), 'class', 'classes')}; each network saw {settings.training}.",
        f"Trials: {counts}. Written {when} by nas from the study's folder.",
    ]
    return f"<h1>{html.escape(snapshot.name)}</h1>" + "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _front(snapshot: Snapshot, settings: Settings, beside: Snapshot | None) -> Iterator[str]:
    found = networks_of(snapshot)
    caption = front_caption(snapshot.trials, snapshot.front, found, outcome_of(beside) if beside else None)
    figure = front_figure(
        snapshot.trials, settings.band, found=found, beside=beside.scored if beside else (), running=snapshot.running
    )
    yield from _chart("front", "The front", caption, figure)
    yield _table(front_frame(snapshot.front, found))
    for over in cost_axes_of(snapshot, beside).values():
        if over not in COUNTED:
            yield from _latency_front(snapshot, settings, beside, over)


def _latency_front(snapshot: Snapshot, settings: Settings, beside: Snapshot | None, over: CostAxis) -> Iterator[str]:
    """The front again, over a latency that `nas measure` found."""
    trials, others = [t for t in snapshot.scored if over.of(t)], beside.scored if beside else ()
    front, found = pareto_front(trials, over.on), networks_of(snapshot)
    figure = front_figure(trials, settings.band, view=View(over), found=found, beside=others)
    title = f"The front over {over.name}"
    yield from _chart(over.name, title, measure_caption(over, front, others, found), figure)
    frame = front_frame(front, found, chances=False)
    frame.insert(2, "ms", [over.on(trial) for trial in front])
    if over.quartiles:
        frame.insert(3, "quartiles", [f"{low:.3g} to {high:.3g}" for low, high in map(over.quartiles, front)])
    yield _table(frame)


def _progress(snapshot: Snapshot, beside: Snapshot | None) -> Iterator[str]:
    steps, other = history_of(snapshot), history_of(beside) if beside else ()
    caption = progress.growth_caption(steps, other)
    yield from _chart("growth", "Progress", caption, progress.growth_figure(steps, "epochs", other))
    rows = [s for s in spans(snapshot.trials, snapshot.updated or datetime.now(UTC)) if s.state != "running"]
    if rows:
        figure = progress.timeline_figure(rows)
        yield from _chart("timeline", "Workers", progress.timeline_caption(rows), figure)
    yield "".join(f"<p class=small>{html.escape(line)}</p>" for line in progress.losses(snapshot.trials))


def _space(snapshot: Snapshot, settings: Settings) -> Iterator[str]:
    designs, accuracy, flops = networks_table(snapshot)
    if len(designs) < FEWEST:
        text = f"Too few networks to say: {count(len(designs), 'network')}, and {FEWEST} are needed."
        yield f"<h2>Which choices matter</h2><p>{text}</p>"
        return
    rows = importances(designs, accuracy, flops)
    caption = space.importance_caption(rows, len(designs))
    yield from _chart("importance", "Which choices matter", caption, space.importance_figure(rows))
    axes, bands = varied_of(snapshot), thirds(settings.band, np.asarray(flops))
    for row in [row for row in rows if row.matters][:3]:
        each = cells(row.axis, axes[row.axis], designs, accuracy, flops, bands)
        caption = space.cells_caption(row.axis, each, bands)
        yield from _chart(f"cells-{row.axis}", f"Accuracy by {row.axis}", caption, space.cells_figure(each, bands))
    figure = space.coordinates_figure(snapshot.scored, designs_of(snapshot), axes)
    caption = space.coordinates_caption(snapshot.scored)
    yield from _chart("lines", "All choices at once", caption, figure, least=860)


def _compared(snapshot: Snapshot, beside: Snapshot) -> Iterator[str]:
    fronts = {snapshot.name: snapshot.front, beside.name: beside.front}
    caption = compare.fronts_caption(fronts)
    yield from _chart("fronts", "Beside random search", caption, compare.fronts_figure(fronts))


def _networks(cache: StudyCache, snapshot: Snapshot, settings: Settings) -> Iterator[str]:
    """The front's networks, drawn; with the YAML that builds them again and the command that exports them."""
    yield "<h2>Networks of the front</h2>"
    for trial in _spread(snapshot.front):
        try:
            arch = trial.to_arch()
            figure = network.network_figure(arch, settings.task)
            caption = network.network_caption(arch, settings.task)
        except InputError as error:
            yield f"<p>trial {trial.number}: {html.escape(str(error))}</p>"
            continue
        seeds = networks_of(snapshot).rows[trial.number].seeds
        title = f"Trial {trial.number}: {mean_words(accuracy(trial), seeds)}, at {compact(trial.flops or 0)} FLOPs"
        yield from _chart(f"network-{trial.number}", title, caption, figure, level=3, least=600)
        yield f"<details><summary>YAML</summary><pre>{html.escape(arch.to_yaml())}</pre></details>"


def _spread(front: Sequence[Trial]) -> list[Trial]:
    if len(front) <= NETWORKS:
        return list(front)
    places = sorted({round(i * (len(front) - 1) / (NETWORKS - 1)) for i in range(NETWORKS)})
    return [front[place] for place in places]


def _how(settings: Settings) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in settings.versions.items())
    command = " ".join(
        f"<span>{html.escape(word)}</span>" for word in settings.command.split(" ")
    )  # no line ends in --
    return (
        f"<h2>How it was made</h2><pre>{command}</pre>"
        f"<p class=small>Started {html.escape(settings.created)} on {html.escape(settings.device)}; "
        f"{html.escape(versions)}. FLOPs: conv + linear multiply-accumulates, batch 1.</p>"
    )


def _chart(key: str, title: str, caption: str, figure: Figure, level: int = 2, least: int = 0) -> Iterator[str]:
    """With its sentence. `least`: its width in px on a narrow screen, which then scrolls."""
    key, said = "".join(c if c.isalnum() else "-" for c in key), html.escape(caption)
    text = json.dumps(figure, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    high = figure["layout"]["height"]
    yield (
        f"<section><h{level}>{html.escape(title)}</h{level}><p>{said}</p>"
        f'<div class="wide"><div role="img" aria-label="{said}" data-figure="figure-{key}" '
        f'style="min-height:{high}px;--least:{least}px"></div></div></section>'
        f'<script type="application/json" id="figure-{key}">{text}</script>'
    )


def _table(frame: pd.DataFrame) -> str:
    """Its cells escaped."""
    text = frame.map(_cell).to_html(index=False, border=0)
    return f'<div class="wide">{text}</div>'


def _cell(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return NONE
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
