"""Picking a network by limits: against the trials themselves, and what is said where none is within."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import nas
from nas.analysis.pareto import merged
from nas.export.pick import Selection, pick, pick_with_words
from nas.latency.measurements import keep
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import InputError
from tests.dashboard.studies import add_trial, make_study
from tests.nas.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_study(tmp_path, complete=12)


def trials_of(folder: Path) -> list[Trial]:
    return merged(Reader(folder).trials())


def accuracy(trial: Trial) -> float:
    return trial.accuracy or 0


def test_a_misspelt_pick_is_refused_from_python_too() -> None:
    with pytest.raises(InputError, match=r"^pick must be one of best, knee, cheapest, got median; choose one$"):
        Selection(pick="median")  # type: ignore[arg-type]


def test_the_nearest_is_told_as_a_limit_that_holds(folder: Path) -> None:
    least = min(trial.flops or 0 for trial in Reader(folder).trials())
    with pytest.raises(InputError) as refused:
        pick(folder, Selection(max_flops=str(least - 1)))
    nearest = str(refused.value).rpartition(" ")[2]
    assert pick(folder, Selection(max_flops=nearest)).flops == least


def test_limits_hold_together_and_the_best_within_them_is_picked(folder: Path) -> None:
    trials = trials_of(folder)
    flops, params = sorted(t.flops or 0 for t in trials), sorted(t.params or 0 for t in trials)
    for most in flops[1:]:
        for weights in params[1:]:
            inside = [t for t in trials if (t.flops or 0) <= most and (t.params or 0) <= weights]
            wish = Selection(max_flops=str(most), max_params=str(weights))
            if inside:
                assert pick(folder, wish).accuracy == max(map(accuracy, inside))
    band = Selection(max_flops=f"{flops[2]}..{flops[4]}")
    assert pick(folder, band).accuracy == max(accuracy(t) for t in trials if flops[2] <= (t.flops or 0) <= flops[4])


def test_an_accuracy_is_met_by_the_cheapest_over_any_cost(folder: Path) -> None:
    trials = trials_of(folder)
    least = sorted(map(accuracy, trials))[-3]
    good = [t for t in trials if accuracy(t) >= least]
    for text in (f"{100 * least:.10f}%", f"{least:.12f}"[1:]):
        assert pick(folder, Selection(min_accuracy=text)).flops == min(t.flops or 0 for t in good)
    wish = Selection(min_accuracy=f"{100 * least:.10f}%", by="params")
    assert pick(folder, wish).params == min(t.params or 0 for t in good)
    by_activations = Selection(min_accuracy=wish.min_accuracy, by="activations")
    assert pick(folder, by_activations).activations == min(t.activations or 0 for t in good)
    assert pick(folder, Selection(min_accuracy=wish.min_accuracy, pick="best")).accuracy == max(map(accuracy, good))
    assert pick(folder, Selection(pick="cheapest")).flops == min(t.flops or 0 for t in trials)


def test_what_no_network_is_within_is_refused_with_the_nearest(folder: Path) -> None:
    trials = trials_of(folder)
    cheap = min(trials, key=lambda t: t.flops or 0)
    top = max(trials, key=accuracy)
    wrong = {
        Selection(max_flops="1"): r"max-flops must be within reach of a network, got 1; the nearest has [\d.]+M$",
        Selection(max_flops="1..2"): r"max-flops must be within reach of a network, got 1..2; the nearest has",
        Selection(max_flops="4M..1M"): "max-flops must rise from low to high, got 4M..1M",
        Selection(max_params="2"): "max-params must be within reach of a network, got 2; the nearest has",
        Selection(max_params="many"): "max-params must be a number from 1 up, with K, M or G, got many",
        Selection(min_accuracy="99.9%"): f"min-accuracy must be at most {accuracy(top):.2%}, the most accurate .*got 99.9%",
        Selection(min_accuracy="92"): "min-accuracy must be a percentage or a share up to 1, got 92; write e.g. 92% or .92",
        Selection(trial=1, pick="best"): "trial must be given alone, got limits or a pick beside it",
        Selection(trial=99): "trial must be from 0 to 11, got 99",
        Selection(trial=-1): "trial must be from 0 to 11, got -1",
        Selection(by="speed"): "by must be flops, params, activations or latency@DEVICE, got speed; use one of",
        Selection(max_latency=3): "study must be measured to be ordered by latency",
        Selection(max_flops=str(cheap.flops), min_accuracy=str(accuracy(top))): (
            f"limits must hold for a network together, got max-flops {cheap.flops} and min-accuracy {accuracy(top)}; "
            rf"one is there with max-flops [\d.]+M, or with min-accuracy {accuracy(cheap):.2%}"
        ),
    }  # fmt: skip
    assert cheap.key != top.key
    for wish, said in wrong.items():
        with pytest.raises(InputError, match=said):
            pick(folder, wish)


def measured(folder: Path, milliseconds: dict[str, float]) -> None:
    for key, each in milliseconds.items():
        time = each / 1e3
        keep(folder, "A Phone", key, {"1": {"median": time, "low": time, "high": time}})


def test_limits_of_which_no_two_hold_together_are_all_named(folder: Path) -> None:
    trials = trials_of(folder)
    cheap, top = min(trials, key=lambda t: t.flops or 0), max(trials, key=accuracy)
    quick = next(t for t in trials if t.key not in (cheap.key, top.key))
    measured(folder, {t.key or "": 1.0 if t is quick else 2.0 for t in trials})
    wish = Selection(max_flops=str(cheap.flops), max_latency=1.5, min_accuracy=str(accuracy(top)))
    with pytest.raises(
        InputError,
        match=rf"limits must hold for a network together, got max-flops {cheap.flops} and max-latency 1.5 ms and "
        rf"min-accuracy {accuracy(top)}; none is there with one of them loosened; loosen two$",
    ):
        pick(folder, wish)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_a_latency_is_above_nothing(folder: Path, wrong: float) -> None:
    measured(folder, {t.key or "": 2.0 for t in trials_of(folder)})
    with pytest.raises(InputError, match=rf"max-latency must be above 0 ms, got {wrong:g}; write e.g. 2.5"):
        pick(folder, Selection(max_latency=wrong))


def test_that_networks_within_the_limits_were_not_measured_is_said(folder: Path) -> None:
    first, *dearer = sorted(trials_of(folder), key=lambda t: t.flops or 0)
    measured(folder, {t.key or "": 2.0 for t in dearer})
    with pytest.raises(
        InputError,
        match=rf"limits must hold for a network together, got max-flops {first.flops} and by latency \(batch 1, A Phone\); "
        r"one is there with max-flops [\d.]+M, or with by flops$",
    ):
        pick(folder, Selection(max_flops=str(first.flops), by="latency"))
    with pytest.raises(
        InputError, match=r"got max-flops .* and max-latency 3 ms; one is there with max-flops [\d.]+M$"
    ):
        pick(folder, Selection(max_flops=str(first.flops), max_latency=3))
    assert pick(folder, Selection(max_latency=3)).key in [t.key for t in dearer]


@pytest.mark.parametrize(
    ("by", "max_latency", "max_flops", "over", "latency"),
    [
        (None, None, None, None, None),
        (None, None, "4M", None, None),
        (None, 3.0, None, "latency", "latency"),
        (None, 3.0, "4M", None, "latency"),
        ("params", None, None, "params", None),
        ("params", 3.0, None, "params", "latency"),
        ("params", 3.0, "4M", "params", "latency"),
        ("latency@phone", None, None, "latency@phone", "latency@phone"),
        ("latency@phone", None, "4M", "latency@phone", "latency@phone"),
        ("latency@phone", 3.0, None, "latency@phone", "latency@phone"),
        ("latency@phone", 3.0, "4M", "latency@phone", "latency@phone"),
    ],
)
def test_what_a_front_is_over_and_which_latency_has_a_part_in_it(
    by: str | None, max_latency: float | None, max_flops: str | None, over: str | None, latency: str | None
) -> None:
    found = Selection(by=by, max_latency=max_latency, max_flops=max_flops)
    assert (found.over, found.latency) == (over, latency)


def test_a_study_without_a_finished_trial_has_nothing_to_pick(tmp_path: Path) -> None:
    empty = make_study(tmp_path, complete=0)
    for wish in (Selection(), Selection(min_accuracy="50%"), Selection(max_flops="2M", pick="cheapest")):
        with pytest.raises(InputError, match="front must have a finished trial, got none"):
            pick(empty, wish)
    with pytest.raises(InputError, match="trial must be one of the study's, got 0; it has no trial yet, search first"):
        pick(empty, Selection(trial=0))


def test_a_choice_comes_with_its_interval_and_with_what_it_is_not_told_from() -> None:
    study = Path("runs/cifar10-16M")  # with 16 further seeds
    assert pick_with_words(study, Selection())[1] == [
        "picked: trial 34 (71.11 ± 0.66%, 2 seeds; 11.5M FLOPs)",
        "tie: these seeds do not tell it from trial 33, which is cheaper: 70.72%, 9.57M FLOPs",
    ]
    assert pick_with_words(study, Selection(min_accuracy="65%", by="params"))[1] == [
        "picked: trial 35 (65.34 ± 0.93%, 1 seed; 29.1K parameters)",
        "min-accuracy: its interval begins at 64.41%, below 65%",
    ]
    assert pick_with_words(study, Selection(trial=3))[1] == []


def test_what_is_said_after_an_export_is_of_the_network_that_was_exported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = []

    def export(reader: Reader, trial: Trial, out: Path, **rest: object) -> None:
        exported.append(trial.number)
        add_trial(folder, random.Random(1), accuracy=0.9999)  # a search goes on meanwhile

    monkeypatch.setattr("nas.export.write.export_trial", export)
    nas.Study(folder).export(tmp_path / "out")
    assert capsys.readouterr().err.startswith(f"picked: trial {exported[0]} (")
    assert pick(folder, Selection()).number != exported[0]


def test_the_command_says_what_it_picked(folder: Path, run: Run, tmp_path: Path) -> None:
    code, _, said = run("export", "first", "--runs", tmp_path, "--out", tmp_path / "out", "--min-accuracy", "100%")
    assert code == 2
    assert said.startswith("error: min-accuracy must be at most ")
