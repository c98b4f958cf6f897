"""The two committed studies' commands on other images, and what the committed ones say."""

from __future__ import annotations

import re

import pytest

from tests.documented.extracted import ROOT
from tests.documented.place import Place, check
from tests.documented.table import CHAINS, Row

CHAIN = "cifar"
pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))


def test_the_table_against_random_search_is_what_its_command_prints(place: Place) -> None:
    """On the committed studies, as printed."""
    row = place.row("python -m benchmarks.against_random")
    ended = place.run(["python", *row.typed.split()[1:]], ROOT)
    table = re.findall(r"^\|.*$", ended.out, re.MULTILINE)
    assert len(table) > 10, ended.errors
    assert "\n".join(table[1:]) in (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")


def test_the_readmes_front_is_what_its_command_prints(place: Place) -> None:
    """On the committed study, in a window of 80 characters."""
    ended = place.run(["nas", "front", "cifar10-16M"], ROOT)
    lines = [line.rstrip() for line in ended.out.rstrip().splitlines()]
    assert len(lines) > 15, ended.errors
    assert "\n".join(lines) in (ROOT / "README.md").read_text(encoding="utf-8")
