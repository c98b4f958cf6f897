"""A study as one HTML file that needs no server: the dashboard's charts with their sentences, tables, networks.

The file holds plotly itself and may fetch nothing; it follows the reader's dark or light theme.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dashboard import derived
from dashboard.charts import compare, network, progress, space
from dashboard.charts.front import below, front_figure
from dashboard.charts.front_caption import below_words, chance_sentence, front_caption, measure_caption
from dashboard.charts.references import stars_sentence
from dashboard.frames import front_frame, references_frame
from dashboard.html_page import chart, document, table
from dashboard.number_format import count, evidence, percent, seed_range
from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache
from nas.analysis.cost_axes import ACTIVATIONS, COUNTED, FLOPS, PARAMETERS, CostAxis, cost_of
from nas.analysis.history import spans
from nas.analysis.importance import FEWEST
from nas.analysis.pareto import merged, pareto_front, score
from nas.analysis.wording import ends_words, mean_words
from nas.process.files import write_asked
from nas.records.scores import WORDS
from nas.records.settings import Settings, with_extent
from space import InputError

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
    write_asked(out, page(cache, snapshot, snapshot.settings), "out")
    return out.stat().st_size


def page(cache: StudyCache, snapshot: Snapshot, settings: Settings) -> str:
    """The whole file."""
    beside = derived.baseline(cache, snapshot)
    known = derived.cost_axes_of(snapshot, beside).values()
    fronts = [over for over in known if over is cost_of(settings) or over not in COUNTED.values()]
    parts = [
        _head(snapshot, settings),
        *(part for over in fronts for part in _front(snapshot, settings, beside, over)),
        *_progress(snapshot, beside),
        *_space(snapshot),
        *(_compared(snapshot, beside) if beside else ()),
        *_networks(snapshot, settings),
        _how(settings, with_extent(settings, snapshot.extent)),
    ]
    return document(snapshot.name, "".join(parts))


def _head(snapshot: Snapshot, settings: Settings) -> str:
    best, data = snapshot.best, settings.data
    assert best is not None  # a study without a finished network is not reported
    cost = cost_of(settings)
    over = "" if cost is FLOPS else f", over {ends_words(settings)}"
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"Best: {percent(score(best.trial))} ({evidence(settings, best.seeds)}) at "
        f"{cost.said(cost.on(best.trial))}, trial {best.trial.number}. All networks: "
        f"{evidence(settings, seed_range(snapshot.trials))}. "
        f"Hypervolume {derived.outcome_of(snapshot).hypervolume:.4f}{over}.",
        *filter(None, [chance_sentence(snapshot.front, len(derived.networks_of(snapshot).rows), settings)]),
        f"Budget: {settings.band} {FLOPS.label}{settings.limits}. "
        f"Space: {settings.space_name}, drawn by {settings.sampler}, stop {settings.stop}, seed {settings.seed}. "
        f"Data: {data.name}, {data.image_size} px, "
        f"{count(len(data.classes), 'class', 'classes')}; each network saw {settings.training}.",
        f"Trials: {snapshot.counts}. Written {when} by nas from the study's folder.",
    ]
    return f"<h1>{html.escape(snapshot.name)}</h1>" + "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _front(snapshot: Snapshot, settings: Settings, beside: Snapshot | None, over: CostAxis) -> Iterator[str]:
    """Over what the study minimises, or again over another latency, which a model forecast or `nas measure` found."""
    trials, others = [t for t in snapshot.scored if over.of(t)], beside.scored if beside else ()
    front, found = pareto_front(trials, over.on), derived.networks_of(snapshot)
    own = over is cost_of(settings)
    running = snapshot.running if own else ()
    colour = derived.telling_of(snapshot)
    marked = derived.references_of(snapshot) if over is FLOPS else []
    figure = front_figure(
        trials, settings.minimised_band, x=over, found=found, beside=others, references=marked, running=running,
        colour=colour,
    )  # fmt: skip
    points = merged(trials)
    low = below_words(len(points), below(points, figure["layout"]["yaxis"]["range"]))
    more = f" {low} The button Autoscale shows all." if low else ""
    frame = front_frame(front, found, chances=own)
    if own:
        caption = front_caption(snapshot.trials, front, found, derived.outcome_of(beside) if beside else None)
        title = "The front" if over is FLOPS else f"The front over {over.name}"
        yield from chart("front", title, f"{caption}{more} {stars_sentence(marked, found)}".strip(), figure)
    else:
        caption = measure_caption(over, front, others, found)
        yield from chart(over.name, f"The front over {over.name}", caption + more, figure)
    if over.name not in frame and over is not PARAMETERS:
        frame.insert(2, over.name if over is ACTIVATIONS else "ms", [over.on(trial) for trial in front])
    if over.quartiles:
        frame.insert(3, "quartiles", [f"{low:.3g} to {high:.3g}" for low, high in map(over.quartiles, front)])
    yield table(frame.rename(columns={"on front": "on front, %"}))
    if marked:
        yield "<h3>References</h3>"
        frame = references_frame(marked, found)
        yield table(frame[[name for name in frame if any(map(str, frame[name]))]])  # no reason where none failed


def _progress(snapshot: Snapshot, beside: Snapshot | None) -> Iterator[str]:
    steps, other = derived.history_of(snapshot), derived.history_of(beside) if beside else ()
    caption = progress.growth_caption(steps, other)
    yield from chart("growth", "Progress", caption, progress.growth_figure(steps, "images", other))
    rows = [s for s in spans(snapshot.trials, snapshot.updated or datetime.now(UTC)) if s.state != "running"]
    if rows:
        figure = progress.timeline_figure(rows)
        yield from chart("timeline", "Workers", progress.timeline_caption(rows), figure)
    yield "".join(f"<p class=small>{html.escape(line)}</p>" for line in progress.losses(snapshot.trials))


def _space(snapshot: Snapshot) -> Iterator[str]:
    rows, metric = derived.importances_of(snapshot), snapshot.read_settings.metric
    networks = len(derived.networks_of(snapshot).rows)
    if networks < FEWEST:
        text = space.importance_caption(rows, networks, metric)
        yield f"<h2>Which choices matter</h2><p>{text}</p>"
        return
    caption = space.importance_caption(rows, networks, metric)
    yield from chart("importance", "Which choices matter", caption, space.importance_figure(rows, metric))
    for axis in [row.axis for row in rows if row.matters][:3]:
        found = derived.cells_of(snapshot, axis)
        caption, figure = space.cells_caption(axis, *found, metric), space.cells_figure(*found, metric)
        yield from chart(f"cells-{axis}", f"{WORDS[metric].capitalize()} by {axis}", caption, figure)
    means = derived.means_of(snapshot)
    figure = space.coordinates_figure(means, derived.designs_of(snapshot), derived.varied_of(snapshot))
    yield from chart("lines", "All choices at once", space.coordinates_caption(means), figure, least=860)


def _compared(snapshot: Snapshot, beside: Snapshot) -> Iterator[str]:
    fronts = {snapshot.name: snapshot.front, beside.name: beside.front}
    over = cost_of(snapshot.read_settings)
    caption = compare.fronts_caption(fronts, over, derived.ahead_sentence(snapshot, beside))
    yield from chart("fronts", "Beside random search", caption, compare.fronts_figure(fronts, over))


def _networks(snapshot: Snapshot, settings: Settings) -> Iterator[str]:
    """The front's networks, drawn; with the YAML that builds them again and the command that exports them."""
    yield "<h2>Networks of the front</h2>"
    cost, front = cost_of(settings), snapshot.front
    spread = np.unique(np.linspace(0, len(front) - 1, NETWORKS).round().astype(int))
    if len(spread) < len(front):
        yield (
            f"<p>{len(spread)} of {len(front)}: the cheapest, the most accurate, and an even choice of those between; "
            "the front's table has all.</p>"
        )
    for trial in [front[place] for place in spread]:
        try:
            arch = trial.to_arch()
            figure = network.network_figure(arch, settings.task)
            caption = network.network_caption(arch, settings.task)
        except InputError as error:
            yield f"<p>trial {trial.number}: {html.escape(str(error))}</p>"
            continue
        seeds = derived.networks_of(snapshot).rows[trial.number].seeds
        title = f"Trial {trial.number}: {mean_words(score(trial), seeds)}, at {cost.said(cost.on(trial))}"
        yield from chart(f"network-{trial.number}", title, caption, figure, level=3, least=600)
        yield f"<details><summary>YAML</summary><pre>{html.escape(arch.to_yaml())}</pre></details>"


def _how(settings: Settings, command: str) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in settings.versions.items())
    words = " ".join(f"<span>{html.escape(word)}</span>" for word in command.split(" "))  # no line ends in --
    return (
        f"<h2>How it was made</h2><pre>{words}</pre>"
        f"<p class=small>Started {html.escape(settings.created)} on {html.escape(settings.device)}; "
        f"{html.escape(versions)}. FLOPs: conv + linear multiply-accumulates, batch 1.</p>"
    )
