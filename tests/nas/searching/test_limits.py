"""Limits beside FLOPs: held by every sampler before anything is trained, part of the study, and refused where none is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nas
from nas.records.settings import Settings
from nas.storage.reader import Reader
from space import Band, InputError
from tests.nas.conftest import Run

LIMITS = ("--flops", "200K..2M", "--params", "..12K", "--activations", "1K..15K")


def words(tmp_path: Path, *more: object) -> tuple[object, ...]:
    return ("search", "digits", "--data", "digits", "--images", "300", "--runs", tmp_path, *LIMITS, *more)


@pytest.mark.parametrize("sampler", ["ehvi", "nsga2"])
def test_every_network_that_is_trained_keeps_to_all_of_them(run: Run, tmp_path: Path, sampler: str) -> None:
    code, out, err = run(*words(tmp_path, "--trials", 6, "--sampler", sampler, "--study", "s"))
    assert code == 0, err
    assert "6 trials, 200K..2M FLOPs, up to 12K parameters, 1K..15K activations" in " ".join(err.split())
    assert "in 200K..2M FLOPs, up to 12K parameters, 1K..15K activations" in " ".join(out.split())
    trained = [trial for trial in Reader(tmp_path / "s").trials() if trial.state in ("complete", "stopped")]
    assert len(trained) == 6
    for trial in trained:
        assert trial.flops in Band(200_000, 2_000_000)  # type: ignore[operator]
        assert (trial.params or 0) <= 12_000
        assert 1_000 <= (trial.activations or 0) <= 15_000


def test_they_are_part_of_the_study_and_of_its_name(run: Run, tmp_path: Path) -> None:
    assert run(*words(tmp_path, "--trials", 1))[0] == 0
    (folder,) = [path.parent for path in tmp_path.glob("*/study.yaml")]
    assert folder.name == "digits-200K-2M-params-1-12K-activations-1K-15K"
    assert Settings.read(folder).params == (1, 12_000)
    assert run(*words(tmp_path, "--trials", 2))[0] == 0, "the same command goes on"
    code, _, err = run(*words(tmp_path, "--trials", 2, "--params", "..11K", "--study", folder.name))
    assert code == 2
    assert "params must be" in err
    found = json.loads(run("front", folder.name, "--runs", tmp_path, "--json")[1])
    assert found["budget"] == {"flops": [200_000, 2_000_000], "params": [1, 12_000], "activations": [1_000, 15_000]}


def test_what_no_network_meets_is_refused_before_anything_is_trained(run: Run, tmp_path: Path) -> None:
    code, _, err = run(*words(tmp_path, "--trials", 1, "--params", "..1K"))
    assert code == 2
    assert "error: params must be within " in err
    assert "axes." in err
    code, _, err = run(*words(tmp_path, "--trials", 1, "--flops", "1.5M..2M", "--params", "..2K"))
    assert code == 2
    assert "budget must hold a network of space digits, got 1.5M..2M FLOPs, up to 2K parameters" in err
    assert "the nearest of them has " in err
    assert not list(tmp_path.iterdir())
    for wrong in ("lots", "500K", "5K..1K"):
        code, _, err = run(*words(tmp_path, "--trials", 1, "--params", wrong))
        assert (code, err.startswith("error: params must ")) == (2, True), err


def test_python_has_them_too(tmp_path: Path) -> None:
    study = nas.search(
        "digits", data="digits", flops="200K..2M", params="..12K", trials=2, images=300, runs=tmp_path, study="s"
    )
    assert study.settings.limits == ", up to 12K parameters"
    assert "--flops 200K..2M --params ..12K" in study.settings.command
    assert all(params <= 12_000 for params in study.trials()["params"])
    with pytest.raises(InputError, match="params must be a band, got 5"):
        nas.search("digits", data="digits", flops="200K..2M", params="5", trials=2, runs=tmp_path)
