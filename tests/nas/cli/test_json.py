"""`--json` of commands with rows: one object that says what they are of."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from nas.analysis.pareto import hypervolume, merged
from nas.storage.reader import Reader
from space import Space
from tests.nas.conftest import Run

RUNS = Path(__file__).parents[3] / "runs"
STUDY = RUNS / "cifar10"
CONVENTION = "conv + linear multiply-accumulates, batch 1"


def plain(run: Run, *words: object) -> dict[str, object]:
    code, out, err = run(*words, "--json")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    assert out.count("\n  {") == len(found["rows"]), "a line of each row"  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(("verb", "seeds"), [("front", "mean of each network's seeds"), ("trials", "1, of the row")])
def test_rows_of_a_study_come_with_what_they_are_of(run: Run, verb: str, seeds: str) -> None:
    found, settings = plain(run, verb, STUDY), Reader(STUDY).settings
    assert (found["study"], found["space"]) == ("cifar10", "convnext_or_modulation_32")
    assert found["budget"] == {"flops": [500_000, 5_000_000]}
    assert found["flops_convention"] == CONVENTION
    assert found["task"] == {"image_size": 32, "channels": 3, "classes": 10}
    assert found["data"] == {
        "name": "cifar10", "fingerprint": settings.data.fingerprint, "train": 45_000, "validation": 5_000,
        "test": 10_000,
    }  # fmt: skip
    assert found["score"] == {
        "metric": "accuracy", "split": "validation", "n": 5_000, "seeds": seeds, "training": settings.training,
    }  # fmt: skip


def test_a_front_has_its_hypervolume_beside_that_of_random_search(run: Run) -> None:
    found = plain(run, "front", STUDY)
    reader, other = Reader(STUDY), Reader(RUNS / "cifar10-random")
    assert found["hypervolume"] == hypervolume(reader.trials(), reader.settings.band)
    baseline = found["baseline"]
    assert isinstance(baseline, dict)
    assert (baseline["study"], baseline["sampler"]) == ("cifar10-random", "random")
    assert baseline["hypervolume"] == hypervolume(other.trials(), other.settings.band)
    assert plain(run, "front", other.folder)["baseline"] is None


@pytest.mark.parametrize("by", ["params", "activations"])
def test_a_front_over_another_cost_is_of_the_trials_that_no_other_beats_in_it(run: Run, by: str) -> None:
    found, trials = plain(run, "front", STUDY, "--by", by), merged(Reader(STUDY).trials())
    points = [(getattr(t, by), -(t.accuracy or 0)) for t in trials]
    front = [point for point in points if not any(p != point and p[0] <= point[0] and p[1] <= point[1] for p in points)]
    assert [(row[by], -row["accuracy"]) for row in found["rows"]] == sorted(front)  # type: ignore[attr-defined]
    assert (found["by"], "hypervolume" in found, "references" in found) == (by, False, False)
    others = merged(Reader(RUNS / "cifar10-random").trials())
    for row in found["rows"]:  # type: ignore[attr-defined]
        cheap = [t.accuracy or 0 for t in others if getattr(t, by) <= row[by]]
        assert row["baseline_accuracy"] == max(cheap, default=None)
    baseline = found["baseline"]
    assert isinstance(baseline, dict)
    assert (baseline["study"], "hypervolume" in baseline) == ("cifar10-random", False)
    code, out, err = run("front", STUDY, "--by", by)
    assert (code, err) == (0, "")
    assert f"baseline, random search, cifar10-random:\n  {baseline['front']} of {baseline['networks']} networks" in out
    assert plain(run, "front", STUDY)["by"] == "flops"


def test_studies_each_say_what_they_are_of(run: Run) -> None:
    found = plain(run, "studies", "--runs", RUNS)
    assert (found["runs"], found["flops_convention"]) == (str(RUNS), CONVENTION)
    row = next(row for row in found["rows"] if row["study"] == "cifar10")  # type: ignore[attr-defined]
    assert row["minimize"] == "flops"
    assert (row["budget"], row["score"]["n"], row["seeds"]) == ({"flops": [500_000, 5_000_000]}, 5_000, 2)


def test_networks_and_spaces_say_their_task_and_convention(run: Run) -> None:
    drawn = plain(run, "draw", "digits", "--flops", "1M..4M", "--params", "..1M", "--count", 3, "--seed", 5)
    space = plain(run, "space", "digits", "--flops", "1M..4M", "--params", "..1M")
    for found in (drawn, space):
        assert (found["space"], found["flops_convention"]) == ("digits", CONVENTION)
        assert found["task"] == {"image_size": 8, "channels": 3, "classes": 10}
        assert found["budget"] == {"flops": [1_000_000, 4_000_000], "params": [1, 1_000_000]}
    assert drawn["seed"] == 5
    assert [row["axis"] for row in space["rows"]] == list(Space.load("digits").axes)  # type: ignore[attr-defined]
    assert plain(run, "space", "digits")["budget"] is None
    assert plain(run, "cost", "resnet50")["flops_convention"] == CONVENTION
    assert math.isclose(sum(row["params"] for row in plain(run, "cost", "resnet50")["rows"]), 25_557_032)  # type: ignore[attr-defined]
