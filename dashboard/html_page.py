"""An HTML file that needs no server: charts with their sentences, and tables.

The file holds plotly itself and may fetch nothing; it follows the reader's dark or light theme.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from dashboard.charts.style import Figure
from dashboard.number_format import NONE


def document(name: str, body: str) -> str:
    """The whole file; `body` is HTML."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    scripts = "'unsafe-inline' 'unsafe-eval'"  # plotly compiles what WebGL draws with
    policy = f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
    files = ("report.css", "charts/theme.js", "report.js")
    style, theme, script = ((Path(__file__).parent / file).read_text(encoding="utf-8") for file in files)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(name)} - nas report</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><style>{style}</style></head><body><main>{body}</main>'
        f"<script>{get_plotlyjs()}</script><script>{theme}{script}</script></body></html>\n"
    )


def chart(key: str, title: str, caption: str, figure: Figure, level: int = 2, least: int = 0) -> Iterator[str]:
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


def table(frame: pd.DataFrame) -> str:
    """Its cells escaped; names of columns take several lines, and a table of many columns is in small letters."""
    frame = frame.rename(columns=lambda name: "\n".join(textwrap.wrap(name, 9, break_long_words=False)))
    text = frame.map(_cell, na_action="ignore").to_html(index=False, border=0, na_rep=NONE)
    return f'<div class="wide{" many" if len(frame.columns) > 11 else ""}">{text}</div>'


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
