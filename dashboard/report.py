"""A study as one HTML file that needs no server: the dashboard's charts with their sentences, tables, networks.

The file holds plotly itself and may fetch nothing; it follows the reader's dark or light theme.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dashboard import charts, compare_charts, network_charts, progress_charts, space_charts, tables, words
from dashboard.beside import baseline, course_of, designs_of, measures_of, networks_of, outcome_of, varied_of
from dashboard.live import Shelf, Snapshot
from dashboard.progress_page import losses
from dashboard.server import plotly_script
from dashboard.style import Figure
from dashboard.words import FLOPS, count, evidence, percent, seeds_per_network
from nas.course import spans
from nas.files import write_whole
from nas.front import accuracy, flops, pareto_front
from nas.importance import FEWEST, cells, importances, thirds
from nas.measures import COUNTED, Measure
from nas.settings import Settings
from nas.trials import Trial
from nas.words import mean_words
from space import InputError, compact

NETWORKS = 8  # of the front that are drawn, spread over it
_STYLE = """
:root, :root.paper { --text: #262730; --grid: #dcdfe4; --back: #ffffff; color-scheme: light; }
@media (prefers-color-scheme: dark) { :root { --text: #f1f2f4; --grid: #43464d; --back: #16181c; color-scheme: dark; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 1060px;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.4rem; } p.small { font-size: .9rem; opacity: .85; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
td, th { border-bottom: 1px solid var(--grid); padding: .3rem .7rem; text-align: right; }
td, th { white-space: nowrap; } td:last-child, th:last-child { text-align: left; } .wide { overflow-x: auto; }
pre { background: color-mix(in srgb, var(--text) 7%, transparent); padding: .8rem; font-size: .82rem;
      white-space: pre-wrap; overflow-wrap: anywhere; } pre span { display: inline-block; max-width: 100%; }
a { color: inherit; } [data-figure] { min-width: var(--least); }
@page { margin: 15mm; }
@media print {
  body { margin: 0; padding: 0; max-width: none; zoom: .8; } .modebar { display: none; } [data-figure] { min-width: 0; }
  .wide { overflow: visible; } table { font-size: .72rem; } td, th { padding: .2rem .35rem; }
  section, tr, pre { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
"""
_SCRIPT = """
const boxes = [...document.querySelectorAll("[data-figure]")];
// Words in lines of so many letters: plotly cuts a title that is longer than its axis.
const wrap = (text, letters) => text.replace(RegExp(`(.{1,${letters}})( |$)`, "g"), "$1<br>").replace(/<br>$/, "");

// On the screen as wide as the window and in its theme, on paper as wide as that and dark on white.
const draw = (paper) => {
  document.documentElement.classList.toggle("paper", paper);
  const look = getComputedStyle(document.documentElement);
  const named = { "@text": look.getPropertyValue("--text").trim(), "@grid": look.getPropertyValue("--grid").trim(),
                  "@back": look.getPropertyValue("--back").trim(), "inherit": "system-ui, sans-serif" };
  if (!paper && matchMedia("(prefers-color-scheme: dark)").matches)
    Object.assign(named, { "#0072B2": "#56B4E9", "#D55E00": "#E69F00" });
  for (const box of boxes) {
    const text = document.getElementById(box.dataset.figure).textContent;
    const figure = JSON.parse(text, (_, value) => named[value] ?? value), title = figure.layout.xaxis?.title;
    if (paper) figure.layout.width = 850;  // px: 180 mm at 80%
    if (title?.text) title.text = wrap(title.text, Math.floor((paper ? 850 : box.clientWidth) / 9));
    Plotly.newPlot(box, figure.data, figure.layout, { displaylogo: false, responsive: true });
  }
};
draw(false);
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw(false));
"""


def write_report(folder: Path, out: Path) -> int:
    """Writes the report of the study in `folder` to `out`, which must not exist. Returns its size in bytes.

    Raises InputError for a study that cannot be read or has no finished network.
    """
    if out.exists():
        raise InputError(f"out must not exist, got {out}; choose another file with --out")
    shelf = Shelf()
    snapshot = shelf.read(folder)
    if snapshot.settings is None:
        raise InputError(snapshot.problem or f"study must be readable, got {folder}; see `nas studies`")
    if not snapshot.scored:
        raise InputError(f"study must have a finished network to report, got none in {folder}; search on")
    text = page(shelf, snapshot, snapshot.settings)
    write_whole(out, text)
    return out.stat().st_size


def page(shelf: Shelf, snapshot: Snapshot, settings: Settings) -> str:
    """The whole file."""
    beside = baseline(shelf, snapshot)
    parts = [
        _head(snapshot, settings),
        *_front(snapshot, settings, beside),
        *_progress(snapshot, beside),
        *_space(snapshot, settings),
        *(_compared(snapshot, beside) if beside else ()),
        *_networks(shelf, snapshot, settings),
        _how(settings),
    ]
    figures = "".join(part for part in parts)
    name = html.escape(snapshot.name)
    scripts = "'unsafe-inline' 'unsafe-eval'"  # plotly compiles what WebGL draws with
    policy = f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
    plotly = plotly_script().read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name} - nas report</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><style>{_STYLE}</style></head><body><main>{figures}</main>'
        f"<script>{plotly}</script><script>{_SCRIPT}</script></body></html>\n"
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
    caption = charts.front_caption(snapshot.trials, snapshot.front, found, outcome_of(beside) if beside else None)
    figure = charts.front_figure(
        snapshot.trials, settings.band, found=found, beside=beside.scored if beside else (), running=snapshot.running
    )
    yield from _chart("front", "The front", caption, figure)
    yield _table(tables.front_frame(snapshot.front, found))
    for over in measures_of(snapshot, beside).values():
        if over not in COUNTED:
            yield from _latency_front(snapshot, settings, beside, over)


def _latency_front(snapshot: Snapshot, settings: Settings, beside: Snapshot | None, over: Measure) -> Iterator[str]:
    """The front again, over a latency that `nas measure` found."""
    trials, others = [t for t in snapshot.scored if over.of(t)], beside.scored if beside else ()
    front, found = pareto_front(trials, over.on), networks_of(snapshot)
    figure = charts.front_figure(trials, settings.band, view=charts.View(over), found=found, beside=others)
    title = f"The front over {over.name}"
    yield from _chart(over.name, title, charts.measure_caption(over, front, others, found), figure)
    frame = tables.front_frame(front, found, chances=False)
    first = {name: frame.pop(name) for name in [*frame][:2]}
    timed: tables.Table = {"ms": [over.on(trial) for trial in front]}
    if over.quartiles:
        timed["quartiles"] = [f"{low:.3g} to {high:.3g}" for low, high in map(over.quartiles, front)]
    yield _table(first | timed | frame)


def _progress(snapshot: Snapshot, beside: Snapshot | None) -> Iterator[str]:
    steps, other = course_of(snapshot), course_of(beside) if beside else ()
    caption = progress_charts.growth_caption(steps, other)
    yield from _chart("growth", "Progress", caption, progress_charts.growth_figure(steps, "epochs", other))
    rows = [s for s in spans(snapshot.trials, snapshot.updated or datetime.now(UTC)) if s.state != "running"]
    if rows:
        figure = progress_charts.timeline_figure(rows)
        yield from _chart("timeline", "Workers", progress_charts.timeline_caption(rows), figure)
    yield "".join(f"<p class=small>{html.escape(line)}</p>" for line in losses(snapshot.trials))


def _space(snapshot: Snapshot, settings: Settings) -> Iterator[str]:
    import numpy as np

    from dashboard.space_page import networks_table

    designs, accuracy, flops = networks_table(snapshot)
    if len(designs) < FEWEST:
        text = f"Too few networks to say: {count(len(designs), 'network')}, and {FEWEST} are needed."
        yield f"<h2>Which choices matter</h2><p>{text}</p>"
        return
    rows = importances(designs, accuracy, flops)
    caption = space_charts.importance_caption(rows, len(designs))
    yield from _chart("importance", "Which choices matter", caption, space_charts.importance_figure(rows))
    axes, bands = varied_of(snapshot), thirds(settings.band, np.asarray(flops))
    for row in [row for row in rows if row.matters][:3]:
        each = cells(row.axis, axes[row.axis], designs, accuracy, flops, bands)
        caption = space_charts.cells_caption(row.axis, each, bands)
        yield from _chart(
            f"cells-{row.axis}", f"Accuracy by {row.axis}", caption, space_charts.cells_figure(each, bands)
        )
    figure = space_charts.coordinates_figure(snapshot.scored, designs_of(snapshot), axes)
    caption = space_charts.coordinates_caption(snapshot.scored)
    yield from _chart("lines", "All choices at once", caption, figure, least=860)


def _compared(snapshot: Snapshot, beside: Snapshot) -> Iterator[str]:
    fronts = {snapshot.name: snapshot.front, beside.name: beside.front}
    caption = compare_charts.fronts_caption(fronts)
    yield from _chart("fronts", "Beside random search", caption, compare_charts.fronts_figure(fronts))


def _networks(shelf: Shelf, snapshot: Snapshot, settings: Settings) -> Iterator[str]:
    """The front's networks, drawn; with the YAML that builds them again and the command that exports them."""
    yield "<h2>Networks of the front</h2>"
    for trial in _spread(snapshot.front):
        try:
            arch = trial.network()
            figure = network_charts.network_figure(arch, settings.task)
            caption = network_charts.network_caption(arch, settings.task)
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


def _table(frame: tables.Table) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in frame)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in zip(*frame.values(), strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value: object) -> str:
    if value is None:
        return words.NONE
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
