"""The first look at a page: what the server knows of it already, as HTML that comes with the page (`early.py`)."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from dashboard import charts
from dashboard.app import PAGES
from dashboard.beside import SHELF, last_baseline, networks_of, outcome_of
from dashboard.charts import KINDS
from dashboard.front_page import HEIGHT, Asked, basis_of, figure_of, numbers_of
from dashboard.live import Snapshot, kept, study_names
from nas.measures import FLOPS

_FRONT = ("/", "/front")  # where the front is shown
_OTHER = ("x", "colour", "only.")  # parameters that ask for another picture of it
_PICTURE = Template("""<header class="$beside"><p><b>$name</b></p><h1>$question</h1><dl>$numbers</dl>
<p>$basis</p></header>
<figure><canvas aria-hidden="true"></canvas></figure><p>$caption</p>
<script type="application/json" data-height="$height">$figure</script>""")
_QUESTION = next(question for name, _, question, _ in PAGES if name == "front")


def first_look(runs: Path, path: str, query: Mapping[str, str]) -> str:
    """The front of the study that `query` asks for where the page at `path` will show it, else what is waited for.

    Reads no study and waits for none: it shows what was read last. Everything in it is text, never HTML of a study's.
    """
    names = study_names(runs)
    name = next((name for name in (query.get("study"), *names) if name in names), None)
    if name is None:
        return "<p>Opening.</p>"
    if (snapshot := SHELF.seen(runs / name)) is None:
        return f"<p>Reading {html.escape(name)}.</p>"
    shown = path in _FRONT and snapshot.scored and not any(asked.startswith(_OTHER) for asked in query)
    return _picture(snapshot) if shown else f"<p>Opening {html.escape(name)}.</p>"


def _picture(snapshot: Snapshot) -> str:
    assert snapshot.settings is not None
    beside = last_baseline(SHELF, snapshot)
    caption = charts.front_caption(
        snapshot.trials, snapshot.front, networks_of(snapshot), outcome_of(beside) if beside else None
    )
    numbers = [
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in numbers_of(snapshot).items()
    ]
    words = {
        "basis": basis_of(snapshot, snapshot.settings),
        "name": snapshot.name,
        "question": _QUESTION,
        "caption": caption,
    }
    return _PICTURE.substitute(
        {name: html.escape(text) for name, text in words.items()}, numbers="".join(numbers),
        beside="beside" if beside else "", height=HEIGHT, figure=_points(snapshot, beside),
    )  # fmt: skip


@kept
def _points(snapshot: Snapshot, beside: Snapshot | None) -> str:
    """What sketch.js draws of the front's figure, without what it shows under the mouse; safe within a script."""
    figure: dict[str, Any] = json.loads(figure_of(snapshot, Asked(FLOPS.name, KINDS), beside))
    traces = [
        {name: trace[name] for name in ("type", "mode", "line", "marker") if name in trace}
        | {"x": [float(f"{x:.4g}") for x in trace["x"]], "y": [round(y, 2) for y in trace["y"]]}
        for trace in figure["data"]
    ]
    layout = {name: figure["layout"][name] for name in ("xaxis", "yaxis", "font", "margin", "shapes")}
    return json.dumps({"data": traces, "layout": layout}, separators=(",", ":")).replace("<", "\\u003c")
