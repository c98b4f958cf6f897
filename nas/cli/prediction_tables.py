"""Predictions in the terminal: the pictures, or, where labels are known, accuracy by class and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import get_terminal_size

import numpy as np
from rich.markup import escape
from rich.table import Column, Table

from nas.analysis.plain_table import plain_table
from nas.export.predictions import Predictions, Scores
from nas.records.look import printable

MOST = 40  # pictures, and classes, that are listed
WIDEST = 12  # classes whose confusion matrix is drawn
BESIDE, NARROWEST = 46, 24  # characters that the other columns of pictures have, and the fewest of a path


def prediction_tables(predictions: Predictions, scores: Scores | None) -> Iterator[Table]:
    """Without labels, or of few pictures, the pictures; with labels what became of the classes."""
    if scores is None or len(predictions.answers) <= MOST:
        yield _pictures(predictions)
    if scores is not None:
        yield _classes(predictions, scores)
    if scores is not None and len(predictions.classes) <= WIDEST:
        yield _confusion(predictions, scores)


def summary(predictions: Predictions, scores: Scores | None) -> str:
    """The last line."""
    broken = f"; {len(predictions.broken):,} could not be read" if predictions.broken else ""
    if scores is None:
        return f"{len(predictions.answers):,} pictures{broken}; no accuracy, as no folder is named like a class"
    counts = scores.counts
    seen = sum(each is not None for each in counts.by_class)
    return (
        f"accuracy {counts.accuracy:.2%} (top-1, n = {scores.images:,}), balanced accuracy {counts.balanced:.2%} "
        f"(mean over {seen} classes){broken}"
    )


def _pictures(predictions: Predictions) -> Table:
    room = max(NARROWEST, get_terminal_size().columns - BESIDE)
    table = plain_table(
        Column("picture", overflow="fold"), "taken for", Column("probability", justify="right"), "second"
    )
    for answer in predictions.answers[:MOST]:
        order = np.argsort(-answer.probabilities, kind="stable")
        second = next((int(each) for each in order if each != answer.answer), answer.answer)
        wrong = answer.label is not None and answer.label != answer.answer
        table.add_row(
            escape(_end(answer.path, room)),
            escape(predictions.classes[answer.answer]) + (" (wrong)" if wrong else ""),
            f"{answer.probability:.4f}",
            f"{escape(predictions.classes[second])} {answer.probabilities[second]:.4f}",
        )
    return _more(table, len(predictions.answers))


def _end(path: Path, room: int) -> str:
    """The end of a path, which tells pictures apart, by whole names where they fit."""
    words = printable(str(path))
    if len(words) <= room:
        return words
    end = words[1 - room :]
    return "…" + (end[end.index("/") :] if "/" in end else end)


def _classes(predictions: Predictions, scores: Scores) -> Table:
    """By name as the network knows them; of many, those that go wrong most."""
    rows = [(accuracy, i) for i, accuracy in enumerate(scores.counts.by_class) if accuracy is not None]
    if len(rows) > MOST:
        rows.sort()
    table = plain_table(
        "class", *(Column(name, justify="right") for name in ("pictures", "accuracy")), "most often taken for"
    )
    for accuracy, i in rows[:MOST]:
        others = scores.confusion[i].copy()
        others[i] = 0
        most = int(others.argmax())
        wrong = f"{escape(predictions.classes[most])} ({others[most]:,})" if others[most] else ""
        table.add_row(escape(predictions.classes[i]), f"{scores.confusion[i].sum():,}", f"{accuracy:.2%}", wrong)
    return _more(table, len(rows))


def _more(table: Table, count: int) -> Table:
    if count > MOST:
        table.caption = f"and {count - MOST:,} more, which --json has"
    return table


def _confusion(predictions: Predictions, scores: Scores) -> Table:
    names = [escape(name) for name in predictions.classes]
    columns = [Column(name, justify="right") for name in names]
    table = plain_table("is, taken for", *columns, title="confusion matrix")
    for name, row in zip(names, scores.confusion.tolist(), strict=True):
        table.add_row(name, *(f"{count:,}" if count else "" for count in row))
    return table
