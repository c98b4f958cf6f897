"""Predictions of an export as one HTML file: the confusion matrix, accuracy by class, and what went wrong."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd

from dashboard.charts.confusion import confusion_caption, confusion_figure
from dashboard.html_page import chart, document, table
from dashboard.number_format import count, percent
from nas.export.predictions import Predictions, Scores, wrong
from nas.process.files import write_asked
from nas.records.look import printable

MOST = 500  # pictures that are listed, the surest of the wrong ones first


def write_predictions(out: Path, title: str, predictions: Predictions, scores: Scores | None) -> int:
    """Writes the file. Returns its size in bytes."""
    write_asked(out, document(title, _body(title, predictions, scores)), "html")
    return out.stat().st_size


def _body(title: str, predictions: Predictions, scores: Scores | None) -> str:
    classes, broken = predictions.classes, len(predictions.broken)
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{count(len(predictions.answers), 'picture')}.</p>"]
    if scores is not None:
        caption, figure = confusion_caption(scores, classes), confusion_figure(scores, classes)
        parts += [*chart("confusion", "What is taken for what", caption, figure), "<h2>By class</h2>"]
        rows = zip(classes, scores.confusion.sum(axis=1).tolist(), scores.counts.by_class, strict=True)
        parts.append(
            table(pd.DataFrame([{"pictures": n, "accuracy": percent(each), "class": c} for c, n, each in rows]))
        )
    if broken:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in predictions.broken)
        parts.append(f"<h2>{count(broken, 'picture')} could not be read</h2><ul>{lines}</ul>")
    parts.append(_pictures(predictions))
    return "".join(parts)


def _pictures(predictions: Predictions) -> str:
    """The wrong ones, or all where no label is known."""
    labelled = any(answer.label is not None for answer in predictions.answers)
    shown = wrong(predictions) if labelled else list(predictions.answers)
    if not shown:
        return ""
    names = predictions.classes
    frame = pd.DataFrame(
        [
            {
                "probability": percent(a.probability, 1),
                "is": "" if a.label is None else names[a.label],
                "taken for": names[a.answer],
                "file": printable(str(a.path)),
            }
            for a in shown[:MOST]
        ]
    )
    heading = f"{count(len(shown), 'picture')} taken for another class" if labelled else "Pictures"
    rest = f"<p class=small>The first {MOST:,} of {len(shown):,}.</p>" if len(shown) > MOST else ""
    return f"<h2>{heading}</h2>{table(frame)}{rest}"
