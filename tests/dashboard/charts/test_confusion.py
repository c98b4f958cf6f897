"""The confusion matrix as a figure, and its sentence."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.charts.confusion import confusion_caption, confusion_figure
from nas.export.predictions import Scores
from tests.dashboard.charts.figures import as_plotly

SCORES = Scores(np.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]]))
CLASSES = ("cat", "<b>dog</b>", "emu")


def test_rows_are_shares_of_a_class_and_cells_hold_counts() -> None:
    figure = confusion_figure(SCORES, CLASSES)
    as_plotly(figure)
    (heatmap,) = figure["data"]
    assert heatmap["z"] == [[0.8, 0.2, 0], [0.25, 0.75, 0], [0, 0, 0]]
    assert heatmap["text"] == [["8", "2", ""], ["1", "3", ""], ["", "", ""]]
    assert figure["layout"]["yaxis"]["ticktext"] == ["cat", "&lt;b&gt;dog&lt;/b&gt;", "emu"]


def test_of_many_classes_the_cells_are_not_written() -> None:
    figure = confusion_figure(Scores(np.eye(80, dtype=np.int64)), [f"class {i}" for i in range(80)])
    as_plotly(figure)
    assert "text" not in figure["data"][0]
    assert figure["data"][0]["x"][3] == "class 3"
    assert figure["layout"]["height"] <= 1400


def test_the_sentence_names_what_goes_wrong_most() -> None:
    assert confusion_caption(SCORES, CLASSES) == (
        "Accuracy 78.57% (top-1, n = 14), balanced accuracy 77.50% (mean over 2 classes); lowest: <b>dog</b>, 75.00%."
    )
    assert SCORES.counts.by_class == (0.8, 0.75, None)
    assert SCORES.counts.balanced == pytest.approx(0.775)
