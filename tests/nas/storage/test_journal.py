"""Entries that are written together, in a file and with other writers."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nas.storage.journal import Journal, open_file


@pytest.fixture
def journals(tmp_path: Path) -> tuple[Journal, Journal]:
    """Two storages on one journal, with a study of one trial that runs."""
    one, other = (open_file(tmp_path / "journal.log") for _ in range(2))
    study = optuna.create_study(study_name="nas", storage=one)
    study.ask()
    return one, other


def attributes(journal: Journal) -> dict[str, object]:
    return journal.get_trial(0).user_attrs


def test_what_is_written_together_is_one_write_in_order_and_seen_at_its_end(
    journals: tuple[Journal, Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = journals
    writes: list[int] = []
    append = one._entries.inner.append_logs

    def count(logs: list[dict[str, object]]) -> None:
        writes.append(len(logs))
        append(logs)

    monkeypatch.setattr(one._entries.inner, "append_logs", count)
    with one.batched():
        for i in range(5):
            one.set_trial_user_attr(0, "last", i)
            one.set_trial_user_attr(0, f"number {i}", i)
        other.set_trial_user_attr(0, "meanwhile", True)
        assert attributes(one) == {}
        assert attributes(other) == {"meanwhile": True}
    assert writes == [10]
    expected = {"meanwhile": True, "last": 4, **{f"number {i}": i for i in range(5)}}
    assert attributes(one) == attributes(other) == expected
    one.set_trial_user_attr(0, "after", 1)
    assert attributes(other)["after"] == 1


def test_an_error_inside_loses_nothing_that_was_written_before(journals: tuple[Journal, Journal]) -> None:
    one, other = journals

    def fail() -> None:
        with one.batched():
            one.set_trial_user_attr(0, "kept", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert attributes(one) == attributes(other) == {"kept": 1}


def test_nothing_is_written_where_nothing_was_said(journals: tuple[Journal, Journal], tmp_path: Path) -> None:
    before = (tmp_path / "journal.log").read_bytes()
    with journals[0].batched():
        pass
    assert (tmp_path / "journal.log").read_bytes() == before
