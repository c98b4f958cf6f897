"""The front as a picture: well-formed, every network once, the chosen one ringed at its place."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from nas.analysis.pareto import by_network, pareto_front
from nas.export.front_svg import front_svg
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import Band
from tests.dashboard.studies import BAND, make_study

SVG = "{http://www.w3.org/2000/svg}"


def circles(text: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(text).iter(f"{SVG}circle"))


def test_every_network_stands_there_once_and_the_chosen_is_ringed(tmp_path: Path) -> None:
    trials = Reader(make_study(tmp_path, complete=20, failed=2)).trials()
    chosen = pareto_front(trials)[1]
    text = front_svg(trials, BAND, chosen, "a < b & c")
    *points, ring = circles(text)
    assert len(points) == len(by_network(trials))
    assert sum(point.get("fill") == "#0072B2" for point in points) == len(pareto_front(trials))
    (mine,) = [p for p in points if (p.findtext(f"{SVG}title") or "").startswith(f"trial {chosen.number}:")]
    assert (ring.get("cx"), ring.get("cy"), ring.get("fill")) == (mine.get("cx"), mine.get("cy"), "none")
    heights = {float(str(p.get("cy"))) for p in points}
    assert all(36 <= y <= 364 for y in heights)
    assert len(heights) > 10
    words = [element.text or "" for element in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert words[-1] == "a < b & c" or "a < b & c" in words
    assert any(word.startswith("this network: ") for word in words)


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_one_network_is_a_picture_too(accuracy: float) -> None:
    trial = Trial(number=0, state="complete", accuracy=accuracy, flops=1_000_000, key="a")
    assert len(circles(front_svg([trial], Band(500_000, 500_000), trial, "one"))) == 2
