"""A latency model, and searches within a latency."""

from __future__ import annotations

import pytest

from tests.documented.place import Place, check
from tests.documented.table import CHAINS, Row

CHAIN = "latency"


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))
