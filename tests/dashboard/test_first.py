"""What the server writes into a page before Streamlit has drawn it."""

from __future__ import annotations

import html
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from dashboard import first
from dashboard.beside import SHELF
from dashboard.first import first_look
from nas.front import pareto_front
from tests.dashboard.studies import add_trial, make_study

HOSTILE = "</script><img src=x onerror=alert(1)>"


def figure(look: str) -> dict[str, Any]:
    found = re.fullmatch(r".*<script type=\"application/json\" data-height=\"\d+\">(.*)</script>", look, re.DOTALL)
    assert found, look
    read: dict[str, Any] = json.loads(found[1])
    return read


def test_a_study_that_was_read_is_shown_with_its_front(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "known", 20)
    snapshot = SHELF.read(folder)
    look = first_look(tmp_path, "/front", {"study": "known", "trial": "3"})
    assert first_look(tmp_path, "/", {}) == look
    points = [xy for trace in figure(look)["data"] if trace["mode"] == "markers" for xy in zip(trace["x"], trace["y"])]  # noqa: B905
    assert sorted(points) == sorted(
        (float(f"{t.flops:.4g}"), round(100 * (t.accuracy or 0), 2)) for t in snapshot.trials
    )
    text = html.unescape(look)
    assert f"{len(pareto_front(snapshot.trials))} of 20 networks are on the front" in text
    assert "validation top-1, n = 360 images, 1 seed" in text
    assert "FLOPs (conv + linear multiply-accumulates, batch 1)" in text


def test_it_shows_what_was_read_last_and_waits_for_nothing(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "growing", 5)
    assert first_look(tmp_path, "/", {}) == "<p>Reading growing.</p>"
    SHELF.read(folder)
    add_trial(folder, random.Random(1))
    with SHELF._lock:  # as while a long journal is being read
        assert sum(len(trace["x"]) for trace in figure(first_look(tmp_path, "/", {}))["data"][1:]) == 5
    SHELF.read(folder)
    assert sum(len(trace["x"]) for trace in figure(first_look(tmp_path, "/", {}))["data"][1:]) == 6


@pytest.mark.parametrize(
    ("path", "query"),
    [("/trials", {}), ("/", {"x": "parameters"}), ("/front", {"only.kernel": "7"}), ("/front", {"colour": "kernel"})],
)
def test_another_picture_is_waited_for(tmp_path: Path, path: str, query: dict[str, str]) -> None:
    SHELF.read(make_study(tmp_path, "known", 5))
    assert first_look(tmp_path, path, query) == "<p>Opening known.</p>"


def test_nothing_to_show(tmp_path: Path) -> None:
    assert first_look(tmp_path / "none", "/", {"study": "../../etc"}) == "<p>Opening.</p>"
    SHELF.read(make_study(tmp_path, "empty", 0))
    assert first_look(tmp_path, "/", {"study": "../../etc"}) == "<p>Opening empty.</p>"


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    folder = make_study(tmp_path, HOSTILE.replace("/", "\u2215"), 5)
    said = [first_look(tmp_path, "/", {})]
    SHELF.read(folder)
    said += [first_look(tmp_path, path, {}) for path in ("/", "/trials")]
    for look in said:
        assert "<img" not in look
        assert "&lt;img src=x onerror=alert(1)&gt;" in look


def test_no_text_of_a_figure_ends_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = {name: {"title": {"text": HOSTILE}} for name in ("xaxis", "yaxis", "font", "margin", "shapes")}
    monkeypatch.setattr(first, "figure_of", lambda *_: json.dumps({"data": [], "layout": hostile}))
    SHELF.read(make_study(tmp_path, "known", 5))
    look = first_look(tmp_path, "/", {})
    assert "<img" not in look
    assert figure(look)["layout"]["xaxis"]["title"]["text"] == HOSTILE
