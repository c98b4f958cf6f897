"""What an exported network takes pictures for, and how often it is right where labels are known. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.records.look import printable
from nas.records.scores import ClassCounts


@dataclass(frozen=True, slots=True)
class Answer:
    """What a picture was taken for, and what it is where that is known: indices into the classes."""

    path: Path
    label: int | None
    answer: int
    probabilities: NDArray[np.float32]  # (classes,)
    grey: bool
    digest: bytes  # of the pixels that the network sees

    @property
    def probability(self) -> float:
        return float(self.probabilities[self.answer])


@dataclass(frozen=True, slots=True)
class Predictions:
    """`broken`: a line for each file that could not be read."""

    classes: Sequence[str]
    answers: Sequence[Answer]
    broken: Sequence[str]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of the answers with labels. `confusion[i, j]`: pictures of class i that were taken for class j."""

    confusion: NDArray[np.int64]

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def counts(self) -> ClassCounts:
        """From which accuracy, balanced accuracy and accuracy by class are."""
        return ClassCounts(tuple(self.confusion.diagonal().tolist()), tuple(self.confusion.sum(axis=1).tolist()))


def score(predictions: Predictions) -> Scores | None:
    """None where no answer has a label."""
    labelled = [(answer.label, answer.answer) for answer in predictions.answers if answer.label is not None]
    if not labelled:
        return None
    confusion = np.zeros((len(predictions.classes),) * 2, np.int64)
    np.add.at(confusion, tuple(np.array(labelled).T), 1)
    return Scores(confusion)


def distinct(predictions: Predictions) -> Predictions:
    """Without pictures that look like one before."""
    first = {answer.digest: answer for answer in reversed(predictions.answers)}
    return replace(predictions, answers=[each for each in predictions.answers if first[each.digest] is each])


def wrong(predictions: Predictions) -> list[Answer]:
    """Those that were taken for another class, the surest first."""
    found = [answer for answer in predictions.answers if answer.label not in (None, answer.answer)]
    return sorted(found, key=lambda answer: -answer.probability)


def to_json(predictions: Predictions, scores: Scores | None) -> dict[str, Any]:
    """Every number, and None for what needs labels where there are none."""
    classes = predictions.classes
    return {
        "classes": list(classes),
        "images": None if scores is None else scores.images,
        "accuracy": None if scores is None else scores.counts.accuracy,
        "balanced_accuracy": None if scores is None else scores.counts.balanced,
        "class_accuracy": None if scores is None else dict(zip(classes, scores.counts.by_class, strict=True)),
        "confusion": None if scores is None else scores.confusion.tolist(),
        "broken": list(predictions.broken),
        "pictures": [record(answer, classes) for answer in predictions.answers],
    }


def record(answer: Answer, classes: Sequence[str]) -> dict[str, Any]:
    """One picture."""
    return {
        "path": printable(str(answer.path)),
        "label": None if answer.label is None else classes[answer.label],
        "answer": classes[answer.answer],
        "probability": answer.probability,
        "probabilities": dict(zip(classes, map(float, answer.probabilities), strict=True)),
    }
