"""`--columns`: what a person chose, in that order, and every name that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas.storage.reader import Reader
from tests.nas.conftest import Run

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


def test_every_name_makes_a_column(run: Run) -> None:
    code, out, _ = run("front", "cifar10", "--runs", RUNS, "--wide", "--columns", FRONT.replace(" ", ""))
    assert code == 0
    assert re.search(r"n FLOPs on front params activations seconds +key network", out)
    wanted = "trial,accuracy,flops,params,activations,images,seconds,seed,key,state,network"
    code, out, _ = run("trials", "cifar10", "--runs", RUNS, "--wide", "--columns", wanted)
    assert code == 0
    assert re.search(r"FLOPs params activations images +sec +seed +key state +network, or reason", out)
    code, out, _ = run(
        "studies", "--runs", RUNS, "--columns", "sampler,study,state,trained,best,space,data,budget,updated"
    )
    assert code == 0
    assert head(out)[:2] == ["sampler", "study"]


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
