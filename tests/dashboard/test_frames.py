"""Tables and wording."""

from __future__ import annotations

import csv as csv_reader
import io
import random

import pandas as pd
import pytest

from dashboard.frames import CERTAINTY, csv_name, front_frame, parts_frame, trials_frame
from nas.analysis.seed_noise import networks
from nas.records.trial import Trial
from space import Arch, Task, cost
from tests.dashboard.studies import SPACE, TASK

ARCH = SPACE.random_arch(random.Random(5), TASK)


def test_trials_frame_has_a_row_per_trial_by_number() -> None:
    trials = [
        Trial(number=0, state="complete", accuracy=0.967, flops=3_100_000, params=10, arch=ARCH.to_dict(), seconds=2.0),
        Trial(number=1, state="failed", reason="=HYPERLINK(1)"),
    ]
    frame = trials_frame(trials, {0})
    assert list(frame["trial"]) == [0, 1]
    assert list(frame["front"]) == ["●", ""]
    assert frame["accuracy, 1 seed"][0] == pytest.approx(96.7)
    assert frame["FLOPs"][0] == 3_100_000
    assert frame["depth"][0] == "-".join(str(stage.depth) for stage in ARCH.stages)
    assert frame["reason"][1] == "'=HYPERLINK(1)"
    assert frame[["accuracy, 1 seed", "FLOPs", "params", "seconds"]].isna().iloc[1].all()


def test_trials_frame_tells_of_seeds_where_a_network_was_repeated() -> None:
    accuracies = [("a", 0.90), ("b", 0.95), ("a", 0.92), ("a", 0.90), ("a", 0.92), ("a", 0.91)]
    trials = [
        Trial(number=i, state="complete", key=key, accuracy=value, flops=1_000_000 + ord(key))
        for i, (key, value) in enumerate(accuracies)
    ]
    stopped = Trial(number=6, state="stopped", key="c", flops=2_000_000, reason="below its rivals")
    plain = list(trials_frame(trials[:2], (), networks(trials[:2])))
    found = networks(trials)
    frame = trials_frame([*trials, stopped], (), found)
    assert [name for name in frame.columns if name not in plain] == CERTAINTY
    assert list(frame.columns)[3:5] == ["FLOPs", "mean"]
    assert list(frame["accuracy, 1 seed"][:3]) == pytest.approx([90, 95, 92]), "each trial's own"
    assert list(frame["mean"][:3]) == pytest.approx([91, 95, 91])
    assert list(frame["seeds"][:3]) == [5, 1, 5]
    assert found.noise
    assert frame["± 95%"][1] == pytest.approx(100 * (found.noise.half_width(1) or 0))
    assert frame["on front"][0] == pytest.approx(100 * (found.rows[0].probability or 0))
    assert frame[CERTAINTY].isna().iloc[6].all()
    assert frame["state"][6] == "stopped"
    few = networks(trials[:3])
    frame = trials_frame(trials[:3], (), few)
    assert frame["± 95%"].isna().all(), "one further seed is too few for intervals"
    assert list(frame["seeds"]) == [2, 1, 2]
    assert "on front" not in front_frame([few.rows[1].trial], few, chances=False)


def test_trials_frame_of_none_has_the_same_columns() -> None:
    assert list(trials_frame([], ())) == list(trials_frame([Trial(number=0, state="failed")], ()))


def test_whole_numbers_stay_whole_where_one_is_missing() -> None:
    trials = [
        Trial(number=0, state="complete", accuracy=0.5, flops=2**53 + 1, params=3),
        Trial(number=1, state="failed"),
    ]
    frame = trials_frame(trials, ())
    assert frame["FLOPs"].tolist() == [2**53 + 1, pd.NA]
    assert str(frame["accuracy, 1 seed"].dtype) == "float64"
    assert str(trials_frame(trials[1:], ())["accuracy, 1 seed"].dtype) == "float64", (
        "a column of which nothing is known"
    )


def test_csv_has_no_formula_and_leaves_empty_cells_empty() -> None:
    trials = [
        Trial(number=0, state="failed", reason='=HYPERLINK("x"), \n', arch={"stages": [{"depth": "=1", "width": 8}]})
    ]
    (row,) = csv_reader.DictReader(io.StringIO(trials_frame(trials, ()).to_csv(index=False)))
    assert (row["reason"], row["depth"], row["FLOPs"]) == ('\'=HYPERLINK("x"), \n', "'=1", "")
    assert csv_name("../a b", "front") == "a-b-front.csv"


def test_parts_frame_sums_to_the_cost() -> None:
    frame, total = (parts_frame(ARCH, TASK)), cost(ARCH, TASK)
    assert list(frame["part"]) == ["stem", *(f"stage {i + 1}" for i in range(len(ARCH.stages))), "head"]
    assert (frame["FLOPs"].sum(), frame["params"].sum()) == (total.flops, total.params)
    assert frame["FLOPs %"].sum() == pytest.approx(100)
    assert list(frame["blocks"][1:-1]) == [f"{stage.depth} x {stage.block.name}" for stage in ARCH.stages]
    assert list(frame["kernel"][1:-1]) == [stage.to_dict()["kernel"] for stage in ARCH.stages]


def test_parts_frame_of_a_network_of_other_parts() -> None:
    frame = parts_frame(Arch.load("resnet50"), Task())
    assert list(frame["blocks"]) == [
        "resnet", "3 x bottleneck", "4 x bottleneck", "6 x bottleneck", "3 x bottleneck", "linear",
    ]  # fmt: skip
    assert list(frame["width"][:-1]) == [64, 64, 128, 256, 512]
    assert list(frame["channels"]) == [64, 256, 512, 1024, 2048, 1000]
    assert list(frame["norm"]) == ["bn"] * 5 + [""]
