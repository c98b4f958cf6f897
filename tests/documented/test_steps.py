"""A walk between two networks, and its answers."""

from __future__ import annotations

import json

import pytest

import nas
from tests.documented.extracted import ROOT
from tests.documented.place import Place, check
from tests.documented.table import CHAINS, Row

CHAIN = "steps"


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))


def test_what_is_said_of_the_committed_study_is_what_its_command_prints(place: Place) -> None:
    text = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    rows = json.loads(place.run(["nas", "steps", "modulation-sigmoid", "--json"], ROOT).out)["rows"]
    kernel, fusion, both = ((100 * row["gain"], 100 * row["half"], row["told"]) for row in rows)
    assert f"gains {fusion[0]:.1f} ± {fusion[1]:.1f} points on average" in text
    assert f"the larger kernel {kernel[0]:.1f} ± {kernel[1]:.1f} (" in text
    assert (fusion[2], kernel[2], both[2]) == (True, False, False)
    networks = nas.Study("modulation-sigmoid", runs=ROOT / "runs").step_networks().set_index(["fusion", "kernel"])
    for name, fused in (("sigmoid(A) * V", False), ("A * V", True)):
        accuracies = networks["accuracy"].to_dict()
        cells = " | ".join(f"{float(accuracies[fused, large]):.2%}" for large in (False, True))
        assert f"| {name} | {cells} |" in text
