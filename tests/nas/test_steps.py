"""`nas.steps` and what a study of steps gives in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import nas
from tests.dashboard.pages.test_steps import walk

ROOT = Path(__file__).parents[2]


def test_a_walk_as_frames_and_a_figure(tmp_path: Path) -> None:
    walk(tmp_path / "made-up", 32, 8)
    study = nas.Study(tmp_path / "made-up")
    steps = study.steps()
    assert list(steps.columns) == [
        "before", "after", "gain", "half", "told", "low", "high", "helps", "shapley", "on_path",
    ]  # fmt: skip
    assert (steps["gain"] * 100).tolist() == pytest.approx([-0.5, 0.5, 3, 4, 5], abs=0.1)
    pairs = study.step_pairs()
    assert len(pairs) == 10
    assert {pairs["first"][0], pairs["second"][0]} == set(steps.index[:2])
    networks = study.step_networks()
    assert networks["seeds"].sum() == 40
    taken = networks[networks[list(steps.index)].all(axis=1)]
    assert taken["accuracy"].tolist() == pytest.approx([0.62], abs=1e-3)
    figure = study.plot_steps()
    assert len(figure.data) == 2
    assert "95%" in figure.layout.title.text


def test_a_study_that_a_search_made_has_none(tmp_path: Path) -> None:
    with pytest.raises(nas.InputError, match="study must be one of steps, got cifar10"):
        nas.Study("cifar10", runs=ROOT / "runs").steps()
    walk(tmp_path / "made-up", 5, 0)
    with pytest.raises(nas.InputError, match="networks must be enough to tell steps apart, got 5 trainings"):
        nas.Study(tmp_path / "made-up").step_pairs()


def test_the_call_trains_what_its_command_would_and_goes_on(tmp_path: Path) -> None:
    for name, kernel, norm in (("a", 3, "bn"), ("b", 5, "ln")):
        stage = f"{{depth: 1, width: 8, kernel: {kernel}, norm: {norm}, layer_scale: null}}"
        (tmp_path / f"{name}.yaml").write_text(f"stem: {{stride: 2}}\nstages:\n  - {stage}\n  - {stage}\n")
    ends = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for seeds in (1, 2):
        study = nas.steps(
            *ends, data="digits", flops="60K", image_size=8, images=1000, seeds=seeds, runs=tmp_path / "runs", study="s"
        )
        assert len(study.step_networks()) == 4
        assert study.step_networks()["seeds"].tolist() == [seeds] * 4
    assert study.settings.command.startswith("nas steps ")
    assert "--design full --seeds 1 --images 1000 --study s" in study.settings.command
    assert "--image-size 8" in study.settings.command
    assert f"--runs {tmp_path / 'runs'}" in study.settings.command


def test_data_are_read_as_they_are_told_to(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    with pytest.raises(nas.InputError, match=f"{gone}"):
        nas.steps(
            "resnet_32", "convnext_32", data=tmp_path, flops="8M", design="fraction", validation=gone, runs=tmp_path
        )
    with pytest.raises(nas.InputError, match=f"{gone}"):
        nas.compare_spaces(
            "convnext_32", "conv2former_32", data=tmp_path, flops="8M..9M", validation=gone, runs=tmp_path
        )
