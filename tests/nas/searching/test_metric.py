"""A search by balanced accuracy, on a folder where nine images of ten are of one class, from the command to the card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import nas
from nas.analysis.pareto import hypervolume, pareto_front
from nas.records.trial import WEIGHTS, Trial
from nas.storage.reader import Reader
from space import Band
from tests.forked import fork_what_is_started
from tests.nas.conftest import Run

IMAGES = {"many": 270, "few": 30}  # of which a tenth is the validation split, two the test split


@pytest.fixture
def imbalanced(tmp_path: Path) -> Path:
    """Noise; few images of the rare class are brighter than all of the other."""
    rng, folder = np.random.default_rng(0), tmp_path / "my data: (1)"
    for name, count in IMAGES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            bright = 60 if name == "few" and number % 2 else 0
            pixels = rng.integers(bright, 160 + bright, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def objectives(reader: Reader) -> list[tuple[float, Trial]]:
    """Of the complete trials: what the sampler was told, and the trial."""
    pairs = zip(reader.frozen(), reader.trials(), strict=True)
    return [(frozen.values[0], trial) for frozen, trial in pairs if trial.state == "complete"]


def test_a_search_by_balanced_accuracy(
    run: Run, imbalanced: Path, tmp_path: Path, tiny_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_what_is_started(monkeypatch.setattr)
    recipe, runs = tmp_path / "recipe.yaml", ("--runs", tmp_path / "runs")
    recipe.write_text("epochs: 4\nlr: 0.01\n")
    words = (
        "search", tiny_space, "--data", imbalanced, "--flops", "20K..200K", "--recipe", recipe, "--stop", "moasha",
        *runs,
    )  # fmt: skip
    code, out, err = run(*words, "--trials", 5, "--metric", "balanced", "--json")
    assert code == 0, err
    assert "balanced accuracy" in err
    name = "tiny-my-data-1-20K-200K-balanced-stop-moasha"
    folder = tmp_path / "runs" / name
    assert yaml.safe_load((folder / "study.yaml").read_text())["metric"] == "balanced"

    reader = Reader(folder)
    told = objectives(reader)
    for value, trial in told:
        assert trial.counts is not None
        assert trial.counts.images == (3, 27), "classes in the order of their names"
        assert value == trial.score == trial.balanced == trial.counts.balanced
        assert trial.accuracy == sum(trial.counts.correct) / 30
        curve = reader.curve(trial.number)
        assert [period.balanced for period in curve[-1:]] == pytest.approx([trial.balanced], abs=1e-6)
        rungs = [curve[decision["period"] - 1].balanced for decision in trial.decisions]
        assert [decision["accuracy"] for decision in trial.decisions] == pytest.approx(rungs, abs=1e-6)
        assert rungs
    assert any(trial.accuracy != trial.balanced for _, trial in told)
    front = json.loads(out)["rows"]
    assert [row["trial"] for row in front] == [trial.number for trial in pareto_front(reader.trials())]
    assert front[-1]["balanced_accuracy"] == max(value for value, _ in told)
    assert front[-1]["balanced_accuracy"] == pytest.approx(np.mean(front[-1]["class_accuracies"]))
    assert {row["metric"] for row in front} == {"balanced"}
    kept = {trial.number for _, trial in told if reader.artifact(trial.number, WEIGHTS)}
    assert kept == {row["trial"] for row in front}

    code, out, _ = run("front", name, *runs)
    flat = " ".join(out.replace("\n", " ").split())
    assert "balanced accuracy: mean of each class's share of images told right on my data: (1)'s validation" in flat
    assert "top-1" not in flat
    code, _, err = run(*words, "--trials", 9, "--study", name)
    assert code == 2
    refused = f"error: metric must be balanced to resume {name}, got accuracy; start another study with --study NAME"
    assert err.splitlines()[-1] == refused

    code, out, err = run("export", name, "--out", tmp_path / "out", *runs)
    assert code == 0, err
    best = told[[trial.number for _, trial in told].index(front[-1]["trial"])][1]
    assert best.counts is not None
    line = f"validation balanced accuracy {best.balanced:.2%} (mean of each class's share told right, n = 30, 1 seed"
    assert line in " ".join(out.split())
    card = (tmp_path / "out" / "README.md").read_text()
    assert line in card
    assert f"| few | {best.counts.correct[0] / 3:.2%} | 3 |" in card
    assert f"| many | {best.counts.correct[1] / 27:.2%} | 27 |" in card
    assert "for balanced accuracy under a FLOPs budget" in card
    assert "test balanced accuracy" in card
    assert "n = 60, 1 seed, untouched by the search)\n" in card

    frame = nas.Study(folder).front()
    assert list(frame.balanced_accuracy) == [row["balanced_accuracy"] for row in front]
    assert set(frame.metric) == {"balanced"}
    code, _, err = run(*words, "--trials", 5, "--repeats", 1, "--metric", "balanced")
    assert code == 0, err
    assert [trial for trial in Reader(folder).trials() if trial.repeat_of is not None and trial.balanced is not None]


def test_the_metric_alone_says_which_network_is_the_better() -> None:
    rows = [(100, 0.90, 0.5), (200, 0.85, 0.7), (300, 0.95, 0.6)]

    def trials(metric: str) -> list[Trial]:
        return [
            Trial(
                number=i, state="complete", flops=flops, accuracy=accuracy, balanced=balanced,
                metric="balanced" if metric == "balanced" else "accuracy",
            )
            for i, (flops, accuracy, balanced) in enumerate(rows)
        ]  # fmt: skip

    assert [t.number for t in pareto_front(trials("accuracy"))] == [0, 2]
    assert [t.number for t in pareto_front(trials("balanced"))] == [0, 1]
    plain = [Trial(number=i, state="complete", flops=f, accuracy=b) for i, (f, _, b) in enumerate(rows)]
    band = Band(100, 400)
    assert hypervolume(trials("balanced"), band) == hypervolume(plain, band)


def test_a_metric_that_there_is_not_is_refused(run: Run, tiny_space: Path) -> None:
    with pytest.raises(nas.InputError, match="metric must be one of accuracy, balanced, got 'f1'; choose one"):
        nas.search(tiny_space, data="digits", flops="20K..200K", trials=1, metric="f1")  # type: ignore[arg-type]
    code, _, err = run("search", tiny_space, "--data", "digits", "--flops", "1M..4M", "--trials", 1, "--metric", "f1")
    assert (code, "accuracy" in err and "balanced" in err) == (2, True)
