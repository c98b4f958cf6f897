"""`nas steps`: a whole design is trained, interrupted, gone on with and told; and what is refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from nas.storage.reader import Reader
from tests.nas.commands import Command, wait_until
from tests.nas.conftest import Run

STAGES = "stages:\n  - {{depth: 1, width: 8, {0}}}\n  - {{depth: 1, width: 16, {0}}}\n"


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    """Two networks that differ in kernel, norm and activation."""
    for name, options in (("a", "kernel: 3, norm: bn, act: relu"), ("b", "kernel: 5, norm: ln, act: gelu")):
        text = "stem: {stride: 2}\n" + STAGES.format(f"layer_scale: null, {options}")
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path / "a.yaml", tmp_path / "b.yaml"


def words(ends: tuple[Path, Path], runs: Path, *more: object) -> tuple[object, ...]:
    return ("steps", *ends, "--data", "digits", "--image-size", 8, "--flops", "60K", "--images", "1K", "--study", "s",
            "--runs", runs, *more)  # fmt: skip


def test_all_sets_are_trained_with_two_seeds_by_two_workers_through_a_kill(
    command: Command, ends: tuple[Path, Path], run: Run
) -> None:
    begun = command.run(*words(ends, command.runs, "--seeds", 2, "--workers", 2))
    wait_until(lambda: len(command.ended()) >= 2, begun)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    again = command.run(*words(ends, command.runs, "--seeds", 2, "--workers", 2))
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    trials = [trial for trial in Reader(command.folder).trials() if trial.state == "complete"]
    assert len(trials) == 16
    assert len({trial.key for trial in trials}) == 8
    assert len({(trial.key, trial.seed) for trial in trials}) == 16
    assert "s: 3 steps, 16 trainings of 8 networks, at 57K..63K FLOPs" in out
    code, told, _ = run("steps", "s", "--runs", command.runs, "--json")
    assert code == 0
    found = json.loads(told)
    assert (found["ready"], found["networks"], found["design"]) == (True, 8, "full")
    assert [row["step"] for row in found["rows"] if row["where"] is None] == ["kernel", "norm", "act"]
    assert len(found["rows"]) == 3 + 3


def test_paths_train_their_networks_alone_and_say_that_there_are_no_effects(
    ends: tuple[Path, Path], tmp_path: Path, run: Run
) -> None:
    orders = ("--design", "paths", "--order", "norm, act, kernel", "--order", "kernel, norm, act")
    code, out, err = run(*words(ends, tmp_path / "runs", *orders))
    assert code == 0, err
    assert "design: the networks along 2 orders, at equal FLOPs" in err
    assert out.count("(none)") == 2
    assert "Given orders alone: no effects" in out
    assert len(Reader(tmp_path / "runs" / "s").trials()) == 6, "each set once"
    rows = json.loads(run("steps", "s", "--runs", tmp_path / "runs", "--json")[1])["rows"]
    assert [row["step"] for row in rows] == [None, "norm", "act", "kernel", None, "kernel", "norm", "act"]
    assert rows[3]["accuracy"] == rows[7]["accuracy"], "all steps are taken in both"


def test_a_plan_is_printed_and_nothing_trained(ends: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    code, _, err = run(*words(ends, tmp_path / "runs", "--dry-run", "--unequal"))
    assert code == 0
    assert "step 1: kernel: 3 -> 5\nstep 2: norm: bn -> ln\nstep 3: act: relu -> gelu\n" in err
    assert "all 8 sets of 3 steps, at the first network's widths" in err
    assert "nothing is trained" in err
    assert "note: 8 networks leave no error to tell 3 steps and their pairs by: add --seeds 2" in err
    assert "early stopping" not in err
    assert not (tmp_path / "runs").exists()


def test_the_papers_steps_are_those_that_two_networks_differ_in(
    ends: tuple[Path, Path], tmp_path: Path, run: Run
) -> None:
    code, _, err = run(*words(ends, tmp_path / "runs", "--dry-run", "--steps", "roadmap", "--seeds", 2))
    assert code == 0
    assert "step 1: kernel 7: 3 -> 5\nstep 2: GELU: relu -> gelu\nstep 3: LN: bn -> ln\n" in err
    assert "note: 8 networks" not in err
    code, _, err = run(
        "steps", "resnet_32", "convnext_32", "--data", "digits", "--flops", "2M", "--steps", "roadmap", "--design", "paths",
        "--unequal", "--dry-run", "--runs", tmp_path / "runs"
    )  # fmt: skip
    assert (code, "step 3: depthwise convolution: width 16-32-64, groups 1 -> " in err) == (0, True), err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--flops", "100"), "flops must be within reach of every network"),
        (("--flops", "lots"), "flops must be a number"),
        (("--flops", "1M..2M", "--unequal"), "flops must be a number for the first network"),
        (("--order", "norm, ackt", "--design", "paths"), "order must name steps, got ackt; did you mean act?"),
        (("--steps", "nothing.yaml"), "must be an existing YAML file"),
        (("--seeds", 2, "--repeats", 3), "seeds must be given, or repeats in their place, got 2 and 3; keep one"),
        (("--image-size", 2), "no step taken: stages must leave one pixel at least"),
    ],
)
def test_what_is_refused_in_a_line(
    ends: tuple[Path, Path], tmp_path: Path, run: Run, more: tuple[object, ...], said: str
) -> None:
    code, _, err = run(*words(ends, tmp_path / "runs", *more))
    assert code == 2
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_a_study_that_a_search_made_has_no_steps(run: Run) -> None:
    code, _, err = run("steps", "cifar10-16M", "--runs", "runs")
    assert code == 2
    assert "study must be one of steps, got cifar10-16M" in err
    code, _, err = run("steps", "resnet_32", "convnext_32")
    assert (code, "data must be given" in err) == (2, True)
