"""A search's log: what is in it, whoever writes it, and that it never stops a search."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from nas.records.trial import Trial
from nas.searching.loop import Watch
from nas.searching.plan import LogLevel
from nas.searching.search_log import FILE, SearchLog
from space import Arch, Stage
from tests.forked import fork_what_is_started
from tests.nas.conftest import Run

ARCH = Arch(stages=(Stage(depth=1, width=16),))
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC (search|worker \d+) \(\S+:(\d+)\) ([A-Z]+) (.+)")


def lines(folder: Path) -> list[tuple[str, str, str]]:
    """Who, level and message of each line, all of which are whole."""
    found = [LINE.fullmatch(line) for line in (folder / FILE).read_text().split("\n")[:-1]]
    assert all(found)
    return [(match[1], match[3], match[4]) for match in found if match]


def made(folder: Path, level: LogLevel = "info", notes: list[str] | None = None) -> SearchLog:
    return SearchLog(folder, "worker 3", level, (notes if notes is not None else []).append)


def trial(number: int, **changes: object) -> Trial:
    plain = {"state": "complete", "accuracy": 0.961, "flops": 2_310_000, "params": 120_000, "seconds": 3.2}
    return Trial(number=number, arch=ARCH.to_dict(), **(plain | changes))  # type: ignore[arg-type]


def tell(watch: Watch) -> None:
    watch.on_begin(7, ARCH, 0)
    watch.on_period(7, 2)
    watch.on_finish(trial(7), 1)
    watch.on_finish(trial(8, state="stopped", accuracy=None, reason="41.00% of the 50.00% wanted"), 2)
    watch.on_finish(trial(9, state="failed", accuracy=None, reason="loss became nan"), 3)
    watch.on_note("trial 6: its process ended;\nits network is queued again")


TOLD = {
    "DEBUG": ["trial 7: 2 periods"],
    "INFO": ["trial 7 begins: stem 4 | c1x16k7", "trial 7 complete: 96.10% 2.31M FLOPs", "trial 8 stopped: 41.00% of the 50.00% wanted"],
    "WARNING": ["trial 9 failed: loss became nan", "note: trial 6: its process ended; its network is queued again"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("level", "kinds"),
    [("debug", ["DEBUG", "INFO", "WARNING"]), ("info", ["INFO", "WARNING"]), ("warning", ["WARNING"]), ("error", [])],
)
def test_a_level_has_its_kinds_and_those_above(tmp_path: Path, level: LogLevel, kinds: list[str]) -> None:
    (tmp_path / FILE).touch()
    heard: list[str] = []
    tell(made(tmp_path, level).watch(Watch(on_note=heard.append, on_period=lambda *words: heard.append(str(words)))))
    found = lines(tmp_path)
    for kind, begins in TOLD.items():
        own = [message for who, level, message in found if level == kind]
        assert [own_line.startswith(begin) for own_line, begin in zip(own, begins, strict=kind in kinds)] == [
            True
        ] * len(own)
        assert bool(own) is (kind in kinds)
    assert {who for who, _, _ in found} <= {"worker 3"}
    assert heard[0] == "(7, 2)", "whoever watches hears all the same"


def test_the_end_is_in_it_however_it_comes(tmp_path: Path) -> None:
    log = made(tmp_path)
    log.begins("30 trials", 0)
    log.begins("30 trials", 12)
    log.ends(finished=True)
    log.ends(finished=False)
    with pytest.raises(ValueError, match="two"), log.with_errors():
        raise ValueError("one\ntwo")
    with pytest.raises(KeyboardInterrupt), log.with_errors():
        raise KeyboardInterrupt
    assert [(level, message) for _, level, message in lines(tmp_path)] == [
        ("INFO", "begins: 30 trials"), ("INFO", "goes on after 12 trials: 30 trials"),
        ("INFO", "ends: all that was wanted is there"), ("INFO", "stops, as it was asked to"),
        ("ERROR", "ends with an error: one"), ("WARNING", "is ended at once (KeyboardInterrupt)"),
    ]  # fmt: skip


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    notes: list[str] = []
    log = made(tmp_path, notes=notes)
    tell(log.watch(Watch()))
    assert notes == [f"{tmp_path / FILE} cannot be written (Is a directory); the search goes on without its log"]
    (tmp_path / FILE).rmdir()
    tell(log.watch(Watch()))
    assert (tmp_path / FILE).read_text(), "it goes on where it can"
    assert len(notes) == 1


def test_notes_from_before_it_began_are_in_it_once(
    run: Run, tmp_path: Path, tiny_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.searching.schedule.estimate", lambda *_: None)
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--runs", tmp_path, "--study", "s")
    code, _, err = run(*words, "--trials", 1, "--images", 5)
    assert code == 0
    early = [line for line in err.splitlines() if line.startswith("note: ")]
    assert len(early) > 1, err
    found = [message for _, level, message in lines(tmp_path / "s") if level == "WARNING"]
    assert found == early
    assert [message.split(":")[0] for _, _, message in lines(tmp_path / "s")[: 1 + len(early)]][1:] == ["note"] * len(
        early
    )


def test_lines_of_many_processes_are_whole(tmp_path: Path) -> None:
    children = []
    for place in range(4):
        if (child := os.fork()) == 0:
            log = SearchLog(tmp_path, f"worker {place}", "info", print)
            for number in range(200):
                log.begins(f"{number} " + str(place) * 300, 0)
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    found = lines(tmp_path)
    for place in range(4):
        own = [message for who, _, message in found if who == f"worker {place}"]
        assert own == [f"begins: {number} " + str(place) * 300 for number in range(200)]


def test_a_search_and_its_workers_write_each_trial_once(
    run: Run, tmp_path: Path, tiny_space: Path, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_what_is_started(monkeypatch.setattr)
    words = (
        "search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe, "--runs", tmp_path,
        "--study", "s", "--stop", "none",
    )  # fmt: skip
    code, out, err = run(*words, "--trials", 3, "--quiet")
    assert (code, err) == (0, ""), "only results"
    assert "s: front of 3 trials" in out
    messages = [message for _, _, message in lines(tmp_path / "s")]
    assert messages[0].startswith("begins: 3 trials, 20K..200K FLOPs, ")
    assert " --study s" in messages[0], "the command"
    assert [re.match(r"trial (\d) (begins|complete)", message).groups() for message in messages[1:-1]] == [  # type: ignore[union-attr]
        (str(number), what) for number in range(3) for what in ("begins", "complete")
    ]
    assert messages[-1] == "ends: all that was wanted is there"
    before = len(messages)
    code, _, err = run(*words, "--trials", 7, "--workers", 2, "--log-level", "debug")
    assert code == 0, err
    more = lines(tmp_path / "s")[before:]
    assert more[0][0] == "search"
    assert more[0][2].startswith("goes on after 3 trials: 7 trials")
    complete = [(who, message.split()[1]) for who, _, message in more if " complete: " in message]
    assert len(complete) == len({number for _, number in complete}) == 4, "of two equal draws one is left out"
    assert {who for who, _ in complete} <= {"worker 0", "worker 1"}
    assert [message for who, level, message in more if level == "DEBUG"], "periods"
    assert more[-1][::2] == ("search", "ends: all that was wanted is there")
