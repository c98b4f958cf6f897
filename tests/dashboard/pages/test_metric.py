"""Pages and files of a study whose classes are far from even."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.frames import front_frame, trials_frame, with_classes
from dashboard.report import write_report
from dashboard.study_cache import StudyCache
from tests.dashboard.opened import metrics, page, said
from tests.dashboard.studies import make_imbalanced, make_study


def test_a_picked_network_has_balanced_and_class_accuracies_beside_its_accuracy(runs: Path) -> None:
    make_imbalanced(runs, "accuracy")
    for where in ("front", "network"):
        app = page(where, trial="5")
        assert metrics(app)["Accuracy"] == "91.67%", "330 of 360"
        assert metrics(app)["Balanced accuracy"] == "87.96%", "300 of 324 and 30 of 36"
        assert "Accuracy by class, validation, 1 seed: many: 92.59% (n = 324), few: 83.33% (n = 36)." in said(app)
    helps = {metric.label: metric.proto.help for metric in page(trial="5").metric}
    assert helps["Balanced accuracy"] == "validation balanced accuracy, n = 360 images, 1 seed"
    assert "Best accuracy" in metrics(page())


def test_a_study_by_balanced_accuracy_says_so_everywhere(runs: Path, tmp_path: Path) -> None:
    folder = make_imbalanced(runs)
    app = page()
    assert metrics(app)["Best balanced accuracy"] == "87.96%"
    words = said(app)
    assert "Balanced accuracy: validation balanced accuracy, n = 360 images, 1 seed." in words
    assert "the best reaches 87.96% balanced accuracy at" in words
    for where in ("front", "network", "trials", "progress", "space"):
        assert "top-1" not in said(page(where, study="rare")), where
    assert "validation balanced accuracy 87.96%" in said(page("network"))
    write_report(folder, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text().partition("<script>")[0]
    assert "87.96% balanced accuracy" in html
    assert "validation top-1" not in html


def test_studies_by_different_metrics_are_not_compared_without_a_warning(runs: Path) -> None:
    make_imbalanced(runs)
    make_study(runs, "plain", complete=6)
    words = said(page("compare", **{"with": ["rare", "plain"]}))
    assert "These studies differ in metric: their accuracies" in words


def test_csv_has_a_column_for_each_class(runs: Path) -> None:
    snapshot = StudyCache().read(make_imbalanced(runs, "accuracy", complete=3))
    classes = snapshot.read_settings.data.classes
    frame = with_classes(trials_frame(snapshot.trials, ()), snapshot.trials, classes)
    assert list(frame["accuracy of few, %"]) == pytest.approx([0, 100 / 6, 100 / 3])
    assert list(frame["balanced accuracy, 1 seed"]) == pytest.approx(
        [50 * (300 / 324 + share) for share in (0, 1 / 6, 1 / 3)]
    )
    front = with_classes(front_frame(snapshot.front), snapshot.front, classes)
    assert front["accuracy of many, %"].iloc[-1] == pytest.approx(100 * 300 / 324)
    older = StudyCache().read(make_study(runs, complete=2))
    assert "balanced accuracy, 1 seed" not in trials_frame(older.trials, ())
    assert with_classes(trials_frame(older.trials, ()), older.trials, classes).shape[1] == len(
        trials_frame(older.trials, ()).columns
    )
