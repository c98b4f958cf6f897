"""Recording trainings in a table, and replaying searches against it."""

from __future__ import annotations

import pytest

from tests.documented.extracted import snippets
from tests.documented.place import Place, check
from tests.documented.table import CHAINS, SNIPPETS, Row

CHAIN = "table"
pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))


def test_a_snippet(place: Place) -> None:
    place.reach(place.row("nas record recorded"))
    (begin,) = [begin for begin, (chain, *_) in SNIPPETS.items() if chain == CHAIN]
    (code,) = {each.text for each in snippets() if each.text.startswith(begin)}
    (place.folder / "snippet.py").write_text(f"{code}\nprint(curves.shape)\n")
    ended = place.run(["python", "snippet.py"])
    assert (ended.code, ended.out) == (0, "(22, 3)\n"), ended.errors
