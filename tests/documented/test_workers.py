"""Searches with several workers, in their default configuration."""

from __future__ import annotations

import time

from nas.records.settings import Settings
from nas.records.trial import ENDED
from nas.storage.reader import Reader
from tests.documented.place import Ended, Place, check
from tests.documented.table import WORKERS

CHAIN = "workers"
TWO, FOUR, ONE_MORE = WORKERS


def test_two_workers_further_seeds_and_random_search_beside(place: Place) -> None:
    """The rule judges: trials with eight rivals that have ended, while others of their FLOPs train."""
    check(TWO, place.reach(TWO))
    reader = Reader(place.folder / "runs/two")
    assert (reader.settings.sampler, reader.settings.stop) == ("ehvi", "quantile")
    trials = reader.trials()
    assert len([t for t in trials if t.state in ENDED and t.repeat_of is None]) == 12
    whys = {decision["why"] for each in reader.frozen() for decision in each.user_attrs.get("decisions", [])}
    assert whys - {"sparse"}, "the rule has judged"
    assert Settings.read(place.folder / "runs/two-random").sampler == "random"


def test_four_workers_and_one_more_from_another_terminal(place: Place) -> None:
    parent = place.fork(FOUR.typed.split())
    folder = place.folder / "runs/digits-200K-4M"
    while not (folder / "study.yaml").exists():
        time.sleep(0.05)
    one_more = place.fork(ONE_MORE.typed.split())
    for row, process in ((FOUR, parent), (ONE_MORE, one_more)):
        check(row, Ended(process.wait(), *process.communicate()))
    reader = Reader(folder)
    assert (reader.settings.sampler, reader.settings.stop) == ("ehvi", "quantile")
    trials = reader.trials()
    assert len([t for t in trials if t.state in ENDED and t.repeat_of is None]) == 8
    assert not [t for t in trials if t.state == "running"]
    owners = {t.owner for t in trials if t.periods}
    assert len(owners) > 1
