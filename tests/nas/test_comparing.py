"""`nas.compare_spaces`, as its users call it."""

from __future__ import annotations

from pathlib import Path

import pytest

import nas
from tests.dashboard.studies import SPACE, make_drawn


def test_two_spaces_from_python(tiny_space: Path, tiny_recipe: Path, tmp_path: Path) -> None:
    space, runs = nas.Space.load(tiny_space), tmp_path / "runs"
    found = nas.compare_spaces(
        space, space.narrow(norm="bn"), data="digits", flops="20K..200K", networks=8, recipe=tiny_recipe, study="pair",
        runs=runs,
    )  # fmt: skip
    assert found.folders == (runs / "pair-a", runs / "pair-b")
    assert "at equal FLOPs" in found.verdict()
    assert repr(nas.ComparedSpaces("pair-a", "pair-b", runs=runs)) == repr(found)


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


def test_too_few_networks_are_said(tmp_path: Path) -> None:
    found = nas.ComparedSpaces(make_drawn(tmp_path, "one"), make_drawn(tmp_path, "other", 3))
    assert "networks must be 8 of each space" in repr(found)
    with pytest.raises(nas.InputError, match="got 3 of other"):
        found.frame()
