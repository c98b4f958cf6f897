"""`nas.compare_spaces`, as its users call it."""

from __future__ import annotations

import random
import shlex
from pathlib import Path

import pytest

import nas
from nas.records.settings import Settings
from tests.dashboard.studies import SPACE, add_trial, make_drawn
from tests.nas.conftest import Run


def test_two_spaces_from_python(tiny_space: Path, tiny_recipe: Path, tmp_path: Path) -> None:
    space, runs = nas.Space.load(tiny_space), tmp_path / "runs"
    found = nas.compare_spaces(
        space, space.narrow(norm="bn"), data="digits", flops="20K..200K", networks=8, recipe=tiny_recipe, study="pair",
        runs=runs,
    )  # fmt: skip
    assert found.folders == (runs / "pair-a", runs / "pair-b")
    assert "at equal FLOPs" in found.verdict()
    assert repr(nas.ComparedSpaces("pair-a", "pair-b", runs=runs)) == repr(found)


def test_the_command_on_record_begins_the_same_comparison(
    tiny_space: Path, tiny_recipe: Path, tmp_path: Path, run: Run
) -> None:
    few, runs = tmp_path / "a space.yaml", tmp_path / "runs"
    few.write_text(nas.Space.load(tiny_space).narrow(norm="bn").to_yaml())
    found = nas.compare_spaces(
        tiny_space, str(few), data="digits", flops="20K..200K", networks=8, recipe=tiny_recipe, seed=3, runs=runs
    )
    one, other = (Settings.read(folder).command for folder in found.folders)
    assert one == other
    code, _, err = run(*shlex.split(one)[1:])
    assert code == 0, err
    assert err.count("nothing is left to train") == 2
    assert sorted(path.name for path in runs.iterdir()) == sorted(folder.name for folder in found.folders)


def test_what_was_compared_is_a_frame_and_a_picture(tmp_path: Path) -> None:
    one = make_drawn(tmp_path, "one", seed=1)
    other = make_drawn(tmp_path, "other", 20, 2, 0.06, space_name="few", space=SPACE.narrow(norm="bn").to_dict())
    found = nas.ComparedSpaces(one, other)
    assert found.verdict().startswith("few is better than digits at equal FLOPs")
    assert found.verdict().endswith("The narrowing is accepted: its networks are better, p < 0.001.")
    frame = found.frame()
    assert list(frame.columns) == ["space", "accuracy", "share"]
    assert dict(frame.groupby("space")["share"].max()) == pytest.approx({"digits": 1, "few": 1})
    figure = found.plot()
    assert [trace.name for trace in figure.data] == ["digits (30)", "few (20)"]
    assert "The narrowing is accepted" in figure.layout.title.text.replace("<br>", " ")


def test_what_failed_to_train_is_said_and_has_no_accuracy(tmp_path: Path) -> None:
    one, other = make_drawn(tmp_path, "one", seed=1), make_drawn(tmp_path, "other", 20, 2)
    for seed in range(10):
        add_trial(other, random.Random(seed), "failed")
    found = nas.ComparedSpaces(one, other)
    assert (found.result().one.failed, found.result().other.failed) == (0, 10)
    assert "0 of 30 networks of one, 10 of 30 networks of other." in repr(found)
    lost = found.frame().query("space == 'other'")
    assert lost.accuracy.isna().tolist() == [True] * 10 + [False] * 20
    line = found.plot().data[1]
    assert min(line.y) > 30, "a third of them have none: the line begins above"
    assert min(line.x) > 50


def test_too_few_networks_are_said(tmp_path: Path) -> None:
    found = nas.ComparedSpaces(make_drawn(tmp_path, "one"), make_drawn(tmp_path, "other", 3))
    assert "networks must be 8 of each space" in repr(found)
    with pytest.raises(nas.InputError, match="got 3 of other"):
        found.frame()
