"""From the first search to a network that reads digits, and the page in the browser."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.documented.extracted import snippets
from tests.documented.place import Ended, Place, check
from tests.documented.table import CHAINS, SNIPPETS, Row

CHAIN = "demo"


@pytest.mark.parametrize("row", CHAINS[CHAIN][:-2], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))


def test_what_a_search_tells_to_do_next_is_what_the_pages_tell(place: Place) -> None:
    told = place.reach(place.row("nas search")).errors
    assert "look at it: nas dashboard digits-200K-4M\n" in told
    assert "export the best: nas export digits-200K-4M --out exports/digits-200K-4M\n" in told


@pytest.mark.parametrize("begin", [begin for begin, (chain, *_) in SNIPPETS.items() if chain == CHAIN])
def test_a_snippet(place: Place, begin: str, tmp_path: Path) -> None:
    place.reach(place.row("nas export"))
    (code,) = {each.text for each in snippets() if each.text.startswith(begin)}
    _, folder, given = SNIPPETS[begin]
    file = place.folder / folder / "snippet.py"
    file.write_text(f"{given}{code}\nprint(tuple(logits.shape))\n")
    ended = place.run(["python", "snippet.py"], file.parent)
    assert ended.code == 0, ended.errors
    assert re.search(r"\((1|2), 10\)", ended.out)


@pytest.mark.parametrize(("place_of_row", "address"), [(-2, ""), (-1, "/?study=digits-200K-4M")])
def test_the_dashboard_opens_in_the_browser_and_ends_with_ctrl_c(place: Place, place_of_row: int, address: str) -> None:
    """Beside the two committed studies of a clone; `browser` is what BROWSER names."""
    row = place.rows[place_of_row]
    place.reach(place.row("nas search"))
    opened = place.folder / f"opened{place_of_row}"
    browser = place.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    place.environment["BROWSER"] = f"{browser} %s"
    _wait_for_the_port()
    process = place.start(row.typed)
    assert process.stdout
    assert re.search(row.shows, process.stdout.readline())
    with urllib.request.urlopen("http://127.0.0.1:8501/", timeout=60) as page:
        assert page.status == 200
    _wait_for(opened, process)
    assert opened.read_text() == f"http://127.0.0.1:8501{address}\n"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    check(Row(row.printed), Ended(process.returncode, out, errors))


def _wait_for_the_port() -> None:
    """8501 is the default: whatever else listens there on this machine, for instance another test, has to end first."""
    for _ in range(600):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", 8501))
            except OSError:
                time.sleep(0.2)
            else:
                return
    raise AssertionError("port 8501 is taken on this machine: end what uses it")


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(300):
        if path.exists() and path.read_text():
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError(f"{path.name} did not come")
