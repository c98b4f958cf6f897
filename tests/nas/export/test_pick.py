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


def test_a_device_is_named_once() -> None:
    with pytest.raises(
        InputError, match=r"^latency must leave out the device that by names, got ..5ms@a; write it once$"
    ):
        Selection(by="latency@b", latency="..5ms@a")
    with pytest.raises(InputError, match=r"^latency must name a device after @, got ..5ms@; write ..5ms"):
        Selection(latency="..5ms@")


def test_the_nearest_is_told_as_a_limit_that_holds(folder: Path) -> None:
    least = min(trial.flops or 0 for trial in Reader(folder).trials())
    with pytest.raises(InputError) as refused:
        pick(folder, Selection(flops=f"..{least - 1}"))
    nearest = str(refused.value).rpartition(" ")[2]
    assert pick(folder, Selection(flops=f"..{nearest}")).flops == least


def test_limits_hold_together_and_the_best_within_them_is_picked(folder: Path) -> None:
    trials = trials_of(folder)
    flops, params = sorted(t.flops or 0 for t in trials), sorted(t.params or 0 for t in trials)
    for most in flops[1:]:
        for weights in params[1:]:
            inside = [t for t in trials if (t.flops or 0) <= most and (t.params or 0) <= weights]
            wish = Selection(flops=f"..{most}", params=f"..{weights}")
            if inside:
                assert pick(folder, wish).accuracy == max(map(accuracy, inside))
    band = Selection(flops=f"{flops[2]}..{flops[4]}")
    assert pick(folder, band).accuracy == max(accuracy(t) for t in trials if flops[2] <= (t.flops or 0) <= flops[4])


def test_an_accuracy_is_met_by_the_cheapest_over_any_cost(folder: Path) -> None:
    trials = trials_of(folder)
    least = sorted(map(accuracy, trials))[-3]
    good = [t for t in trials if accuracy(t) >= least]
    for text in (f"{100 * least:.10f}%", f"{least:.12f}"[1:]):
        assert pick(folder, Selection(accuracy=text)).flops == min(t.flops or 0 for t in good)
    wish = Selection(accuracy=f"{100 * least:.10f}%", by="params")
    assert pick(folder, wish).params == min(t.params or 0 for t in good)
    by_activations = Selection(accuracy=wish.accuracy, by="activations")
    assert pick(folder, by_activations).activations == min(t.activations or 0 for t in good)
    assert pick(folder, Selection(accuracy=wish.accuracy, pick="best")).accuracy == max(map(accuracy, good))
    assert pick(folder, Selection(pick="cheapest")).flops == min(t.flops or 0 for t in trials)


def test_what_no_network_is_within_is_refused_with_the_nearest(folder: Path) -> None:
    trials = trials_of(folder)
    cheap = min(trials, key=lambda t: t.flops or 0)
    top = max(trials, key=accuracy)
    wrong = {
        Selection(flops="..1"): r"flops must be within reach of a network, got ..1; the nearest has [\d.]+M$",
        Selection(flops="1..2"): r"flops must be within reach of a network, got 1..2; the nearest has",
        Selection(flops="4M..1M"): "flops must rise from low to high, got 4M..1M",
        Selection(params="..2"): "params must be within reach of a network, got ..2; the nearest has",
        Selection(params="2"): "params must be a band, got 2; write ..2 for up to it",
        Selection(activations="..2"): "activations must be within reach of a network, got ..2; the nearest has",
        Selection(params="many"): "params must be a band of numbers with K, M or G, got many",
        Selection(accuracy="99.9%"): f"accuracy must be at most {accuracy(top):.2%}, the most accurate .*got 99.9%",
        Selection(accuracy="92"): "accuracy must be a percentage or a share up to 1, got 92; write e.g. 92% or .92",
        Selection(trial=1, pick="best"): "trial must be given alone, got limits or a pick beside it",
        Selection(trial=99): "trial must be from 0 to 11, got 99",
        Selection(trial=-1): "trial must be from 0 to 11, got -1",
        Selection(by="speed"): "by must be flops, params, activations or latency@DEVICE, got speed; use one of",
        Selection(latency="..3ms"): "study must be measured to be ordered by latency",
        Selection(flops=f"..{cheap.flops}", accuracy=str(accuracy(top))): (
            f"limits must hold for a network together, got flops ..{cheap.flops} and accuracy {accuracy(top)}; "
            rf"one is there with flops [\d.]+M, or with accuracy {accuracy(cheap):.2%}"
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
    wish = Selection(flops=f"..{cheap.flops}", latency="..1.5ms", accuracy=str(accuracy(top)))
    with pytest.raises(
        InputError,
        match=rf"limits must hold for a network together, got flops ..{cheap.flops} and latency ..1.5ms and "
        rf"accuracy {accuracy(top)}; none is there with one of them loosened; loosen two$",
    ):
        pick(folder, wish)


@pytest.mark.parametrize("wrong", ["2.5", "-1ms", "5ms", "nan"])
def test_a_latency_is_a_band_of_times(folder: Path, wrong: str) -> None:
    measured(folder, {t.key or "": 2.0 for t in trials_of(folder)})
    with pytest.raises(InputError, match=rf"^latency must be a band of times .*, got {wrong}; write e.g. ..5ms"):
        pick(folder, Selection(latency=wrong))


def test_a_latency_has_a_lower_end_too(folder: Path) -> None:
    first, *others = trials_of(folder)
    measured(folder, {first.key or "": 3.0} | {t.key or "": 2.0 for t in others})
    assert pick(folder, Selection(latency="2500us..3ms")).key == first.key


def test_that_networks_within_the_limits_were_not_measured_is_said(folder: Path) -> None:
    first, *dearer = sorted(trials_of(folder), key=lambda t: t.flops or 0)
    measured(folder, {t.key or "": 2.0 for t in dearer})
    with pytest.raises(
        InputError,
        match=rf"limits must hold for a network together, got flops ..{first.flops} and by latency \(batch 1, A Phone\); "
        r"one is there with flops [\d.]+M, or with by flops$",
    ):
        pick(folder, Selection(flops=f"..{first.flops}", by="latency"))
    with pytest.raises(InputError, match=r"got flops .* and latency ..3ms; one is there with flops [\d.]+M$"):
        pick(folder, Selection(flops=f"..{first.flops}", latency="..3ms"))
    assert pick(folder, Selection(latency="..3ms")).key in [t.key for t in dearer]


@pytest.mark.parametrize(
    ("by", "latency", "flops", "over", "measured"),
    [
        (None, None, None, None, None),
        (None, None, "..4M", None, None),
        (None, "..3ms", None, "latency", "latency"),
        (None, "..3ms", "..4M", None, "latency"),
        ("params", None, None, "params", None),
        ("params", "..3ms", None, "params", "latency"),
        ("params", "..3ms", "..4M", "params", "latency"),
        ("latency@phone", None, None, "latency@phone", "latency@phone"),
        (None, "..3ms@phone", None, "latency@phone", "latency@phone"),
        (None, "..3ms@phone", "..4M", None, "latency@phone"),
        ("params", "..3ms@phone", None, "params", "latency@phone"),
        ("latency", "..3ms@phone", "..4M", "latency@phone", "latency@phone"),
        ("latency@phone", None, "..4M", "latency@phone", "latency@phone"),
        ("latency@phone", "..3ms", None, "latency@phone", "latency@phone"),
        ("latency@phone", "..3ms", "..4M", "latency@phone", "latency@phone"),
    ],
)
def test_what_a_front_is_over_and_which_latency_has_a_part_in_it(
    by: str | None, latency: str | None, flops: str | None, over: str | None, measured: str | None
) -> None:
    found = Selection(by=by, latency=latency, flops=flops)
    assert (found.over, found.measured) == (over, measured)


def test_a_study_without_a_finished_trial_has_nothing_to_pick(tmp_path: Path) -> None:
    empty = make_study(tmp_path, complete=0)
    for wish in (Selection(), Selection(accuracy="50%"), Selection(flops="..2M", pick="cheapest")):
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
    assert pick_with_words(study, Selection(accuracy="65%", by="params"))[1] == [
        "picked: trial 35 (65.34 ± 0.93%, 1 seed; 29.1K parameters)",
        "accuracy: its interval begins at 64.41%, below 65%",
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
    code, _, said = run("export", "first", "--runs", tmp_path, "--out", tmp_path / "out", "--accuracy", "100%")
    assert code == 2
    assert said.startswith("error: accuracy must be at most ")
