"""`--columns`: what a person chose, in that order, and every name that there is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.analysis.wording import CONVENTION
from nas.cli.latency_table import table as latency_table
from nas.latency.front import Measured
from nas.records.trial import Trial
from nas.storage.reader import Reader
from tests.nas.conftest import Run
from tests.nas.empty_study import write_empty_study

RUNS = Path(__file__).parents[3] / "runs"
FRONT = "trial, accuracy, seeds, flops, probability, params, activations, seconds, key, network, mark"


def head(text: str) -> list[str]:
    """Words of the line above the rule."""
    return text.partition(" ──")[0].splitlines()[-1].split()


def test_a_front_shows_what_was_chosen_in_that_order(run: Run) -> None:
    code, out, err = run("front", "cifar10", "--runs", RUNS, "--columns", "key, trial,flops,key")
    assert (code, err) == (0, "")
    assert head(out) == ["key", "trial", "FLOPs"]
    trial = next(trial for trial in Reader(RUNS / "cifar10").trials() if trial.number == 47)
    assert f"{trial.key}    47 2.49M" in out
    assert "conv + linear multiply-accumulates" in " ".join(out.split()), "what numbers are is said all the same"


@pytest.mark.parametrize("command", [("front", "cifar10"), ("trials", "cifar10"), ("studies",)])
def test_help_lists_them_all(command: tuple[str, ...], run: Run) -> None:
    code, out, err = run(*command, "--columns", "help")
    assert (code, err) == (0, "")
    assert run(*command, "--columns", out.strip().replace(", ", ","))[0] == 0


def test_every_name_makes_a_column(run: Run) -> None:
    code, out, _ = run("front", "cifar10", "--runs", RUNS, "--wide", "--columns", FRONT.replace(" ", ""))
    assert code == 0
    assert re.search(r"FLOPs on front params +vations seconds +key network", out)
    wanted = "trial,accuracy,flops,params,activations,images,seconds,seed,key,state,network"
    code, out, _ = run("trials", "cifar10", "--runs", RUNS, "--wide", "--columns", wanted)
    assert code == 0
    assert re.search(r"FLOPs params activations images +sec +seed +key state +network, or reason", out)
    code, out, _ = run(
        "studies", "--runs", RUNS, "--columns", "sampler,study,state,trained,best,space,data,budget,updated"
    )
    assert code == 0
    assert head(out)[:2] == ["sampler", "study"]


def said(text: str) -> str:
    """What stands below a table."""
    return " ".join(re.split(r"\n *\n", text)[-1].split())


def test_notes_are_of_the_columns_that_are_shown(run: Run) -> None:
    for wide in ((), ("--wide",)):
        front = ("front", "cifar10-16M", "--runs", RUNS, *wide, "--columns")
        assert said(run(*front, "key,flops")[1]) == f"{CONVENTION}{'.' if wide else ''}"
        accuracy = said(run(*front, "accuracy")[1])
        assert all(word in accuracy for word in ("n = 5,000" if not wide else "5,000 images", "±: 95% interval"))
        assert not any(word in accuracy.lower() for word in ("tie:", "network:", "told from", "rivals"))
        assert "tie:" in said(run(*front, "mark")[1])
        trials = ("trials", "cifar10-16M", "--runs", RUNS, *wide, "--columns")
        assert said(run(*trials, "trial,seed,key")[1]) == ""
        assert said(run(*trials, "flops")[1]) == CONVENTION
        assert said(run(*trials, "state")[1]).startswith("stopping: ")
        assert said(run(*trials, "network")[1]).lower().startswith("network: ")
    studies = ("studies", "--runs", RUNS, "--columns")
    assert said(run(*studies, "study,budget")[1]) == f"budget: {CONVENTION.replace(':', ',')}"
    assert said(run(*studies, "study")[1]) == ""


def test_notes_on_latency_are_of_the_columns_that_are_shown() -> None:
    made = Trial(number=0, state="complete", flops=1_000_000, accuracy=0.5, arch={"stages": [{"depth": 1, "width": 8}]})
    row = Measured(
        trial=made, device="some cpu [b]", batch=1, median=1e-3, low=1e-3, high=1e-3, slowdown=1.0,
        peak_tensor_bytes=10**6,
    )  # fmt: skip

    def notes(slowdown: float | None = 1.0, **how: Any) -> str:
        return str(latency_table([replace(row, slowdown=slowdown)], "t", [], **how).caption)

    assert notes(names=["trial", "flops"]) == f"{CONVENTION}."
    for words in ("latency: median", "some cpu \\[b]", CONVENTION, "top-1: "):
        assert words in notes()
    marks = [[words in notes(slowdown) for words in ("busy: ", "not checked: ")] for slowdown in (1.0, 2.0, None)]
    assert marks == [[False, False], [True, False], [False, True]], "of the marks that there are"
    assert ("peak: " in notes(), "peak: " in notes(wide=True)) == (False, True)


def test_a_study_without_trials_is_a_line_with_what_to_do(run: Run, tmp_path: Path, tiny_space: Path) -> None:
    write_empty_study(tmp_path / "empty", tiny_space)
    for command in ("front", "trials"):
        said = run(command, "empty", "--runs", tmp_path)
        assert said == (0, "empty: no trial yet; to go on: nas search ...\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("front", "cifar10", "--columns", "trial,flop"), f"columns must be of {FRONT}, got flop; did you mean flops?"),
        (("front", "cifar10", "--columns", ""), f"columns must be of {FRONT}, got nothing; choose of these"),
        (("trials", "cifar10", "--columns", "zzz"), "columns must be of trial, accuracy, flops, params, activations, images, seconds, seed, key, state, network, got zzz; choose of these"),
        (("studies", "--columns", "name"), "columns must be of study, state, trained, best, space, data, budget, sampler, updated, got name; did you mean sampler?"),
        (("trials", "cifar10", "--columns", "key", "--json"), "columns must stand without --json, which has all of them, got key; leave one out"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused_with_all_there_are(run: Run, words: tuple[str, ...], message: str) -> None:
    assert run(*words, "--runs", RUNS) == (2, "", f"error: {message}\n")
