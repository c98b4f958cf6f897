"""Skimming a journal, against Optuna's own reading of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from nas.records.settings import JOURNAL
from nas.storage.reader import Reader
from nas.storage.skim import open_skimming
from tests.dashboard.studies import add_trial, damage, make_study, tear

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["cifar10", "cifar10-random"])
def test_a_searchs_trials_are_what_optuna_reads(name: str) -> None:
    folder = ROOT / "runs" / name
    plain, quick = Reader(folder), Reader(folder, open_skimming(folder / JOURNAL))
    assert quick.trials() == plain.trials()
    assert quick.curve(0) == plain.curve(0)
    assert quick.goal() == plain.goal()
    assert any(frozen.params for frozen in plain.frozen())
    assert not any(frozen.params for frozen in quick.frozen())


def test_it_follows_a_journal_that_grows(tmp_path: Path) -> None:
    folder, rng = make_study(tmp_path, complete=2), random.Random(4)
    quick = Reader(folder, open_skimming(folder / JOURNAL))
    for wanted in (2, 3, 4, 5):
        assert len(quick.trials()) == wanted
        assert quick.trials() == Reader(folder).trials()
        with (folder / JOURNAL).open("a") as file:  # what is passed over, between what is not
            beat = {"op_code": 8, "worker_id": "w", "trial_id": 0, "user_attr": {"beat": wanted}}
            file.write(json.dumps(beat, separators=(",", ":")) + "\n")
        add_trial(folder, rng, "running" if wanted == 4 else "complete")


def test_a_line_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=2)
    whole = (folder / JOURNAL).read_bytes()
    tear(folder)
    quick = Reader(folder, open_skimming(folder / JOURNAL))
    assert len(quick.trials()) == 2
    (folder / JOURNAL).write_bytes(whole)
    add_trial(folder, random.Random(1))
    assert len(quick.trials()) == 3


def test_damage_is_an_error(tmp_path: Path) -> None:
    damage(make_study(tmp_path, complete=2), line=3)
    with pytest.raises(ValueError, match=r"Invalid control character|Expecting|Unterminated"):
        open_skimming(tmp_path / "first" / JOURNAL)


def test_it_never_writes(tmp_path: Path) -> None:
    storage = open_skimming(make_study(tmp_path, complete=1) / JOURNAL)
    with pytest.raises(AssertionError, match="never writes"):
        storage.set_study_user_attr(0, "goal", {})
