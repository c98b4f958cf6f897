"""Predictions in the terminal: the pictures, or, where labels are known, accuracy by class and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.markup import escape
from rich.table import Table

from nas.export.predictions import Predictions, Scores

PICTURES = 40  # that are listed
WIDEST = 12  # classes whose confusion matrix is drawn


def prediction_tables(predictions: Predictions, scores: Scores | None) -> Iterator[Table]:
    """Without labels, or of few pictures, the pictures; with labels what became of the classes."""
    if scores is None or len(predictions.answers) <= PICTURES:
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
    seen = sum(each is not None for each in scores.by_class)
    return (
        f"accuracy {scores.accuracy:.4f} (top-1, n = {scores.images:,}), balanced accuracy {scores.balanced:.4f} "
        f"(mean over {seen} classes){broken}"
    )


def _pictures(predictions: Predictions) -> Table:
    rest = len(predictions.answers) - PICTURES
    note = f"and {rest:,} more: --csv or --json has all" if rest > 0 else None
    table = Table("picture", "taken for", "probability", "second", caption=note, caption_justify="left")
    for answer in predictions.answers[:PICTURES]:
        order = np.argsort(-answer.probabilities, kind="stable")
        second = next((int(each) for each in order if each != answer.answer), answer.answer)
        wrong = answer.label is not None and answer.label != answer.answer
        table.add_row(
            escape(str(answer.path)),
            escape(predictions.classes[answer.answer]) + (" (wrong)" if wrong else ""),
            f"{answer.probability:.4f}",
            f"{escape(predictions.classes[second])} {answer.probabilities[second]:.4f}",
        )
    return table


def _classes(predictions: Predictions, scores: Scores) -> Table:
    table = Table("class", "pictures", "accuracy", "most often taken for")
    for i, (name, accuracy) in enumerate(zip(predictions.classes, scores.by_class, strict=True)):
        others = scores.confusion[i].copy()
        others[i] = 0
        most = int(others.argmax())
        wrong = f"{escape(predictions.classes[most])} ({others[most]:,})" if others[most] else ""
        shown = "" if accuracy is None else f"{accuracy:.4f}"
        table.add_row(escape(name), f"{scores.confusion[i].sum():,}", shown, wrong)
    return table


def _confusion(predictions: Predictions, scores: Scores) -> Table:
    names = [escape(name) for name in predictions.classes]
    table = Table("is, taken for", *names, title="confusion matrix", title_justify="left")
    for name, row in zip(names, scores.confusion.tolist(), strict=True):
        table.add_row(name, *(str(count) if count else "" for count in row))
    return table
