"""The studies as an HTML table: their names are links, its cells wrap where they are long, and on a narrow screen each
study is a card. `app.css` has its looks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from dashboard.derived import history_of
from dashboard.number_format import ago, count, percent
from dashboard.snapshot import Snapshot
from nas.analysis.history import pace
from nas.analysis.pareto import score
from nas.records.scores import SHORT

NAMES = ("study", "state", "data", "budget", "best", "hypervolume", "trials", "sampler", "updated")
_WIDE, _HIGH = 96, 24  # px of the history


def studies_table(found: Sequence[Snapshot], front: str) -> str:
    """A row a study. `front`: the path of the page that a name opens."""
    head = "".join(f'<th scope="col">{name}</th>' for name in NAMES)
    rows = "".join(f"<tr>{_row(snapshot, front)}</tr>" for snapshot in found)
    return f'<table class="nas-studies"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(snapshot: Snapshot, front: str) -> str:
    link = f'<a href="./{front}?study={quote(snapshot.name, safe="")}">{escape(snapshot.name)}</a>'
    state = f'<span class="nas-{snapshot.mode}">{snapshot.mode}</span>'
    cells = {"study": link, "state": state, "updated": ago(snapshot.updated)} | _cells(snapshot)
    first, *others = ((name, cells.get(name, "")) for name in NAMES)
    return f'<th scope="row">{first[1]}</th>' + "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in others)


def _cells(snapshot: Snapshot) -> dict[str, str]:
    settings = snapshot.settings
    if settings is None:
        return {}
    best, speed = "", ""
    if snapshot.best:
        seeds = count(snapshot.best.seeds, "seed")
        rests = f"{SHORT[settings.metric]}, n = {settings.data.validation:,}, {seeds}"
        best = f"{percent(score(snapshot.best.trial))}{_small(rests)}"
    if snapshot.running and (per_hour := pace(snapshot.trials, settings, snapshot.extent).per_hour):
        speed = _small(f"{per_hour:,.1f} / h")
    return {
        "data": escape(settings.data.name),
        "budget": str(settings.band),
        "best": best,
        "hypervolume": _history(snapshot),
        "trials": snapshot.counts + speed,
        "sampler": escape(settings.sampler) + _small(f"stop {settings.stop}"),
    }


def _small(words: str) -> str:
    return f"<small>{escape(words)}</small>"


def _history(snapshot: Snapshot) -> str:
    """The hypervolume, beside it how it rose from the first trial that ended to the last."""
    values = [step.hypervolume for step in history_of(snapshot)]
    if not snapshot.best or not values:
        return ""
    last, top = f"{values[-1]:.4f}", max(values)
    if len(values) < 2 or not top:
        return last
    shown = [*values[: -1 : max(1, len(values) // 60)], values[-1]]
    across = _WIDE / (len(shown) - 1)
    line = " ".join(f"{across * i:.1f},{_HIGH - 2 - (_HIGH - 4) * v / top:.1f}" for i, v in enumerate(shown))
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE}" height="{_HIGH}"><polyline points="{line}" '
        'fill="none" stroke="#3A93C8" stroke-width="2"/></svg>'
    )
    said = f"from {values[0]:.3g} to {values[-1]:.3g} over {count(len(values), 'trial')}"
    return f'{last} <img alt="{said}" title="{said}" src="data:image/svg+xml,{quote(picture)}">'
