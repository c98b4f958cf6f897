"""A file is whole or as it was."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nas.process.files import write_asked, write_first, write_whole
from space import InputError


def test_it_replaces_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "über")
    write_whole(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_of_many_that_write_the_first_one_has_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"

    def write(content: str) -> str | None:
        try:
            write_first(path, content)
        except FileExistsError:
            return None
        return content

    contents = [str(i) * 100_000 for i in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            (winner,) = [content for content in threads.map(write, contents) if content]
            assert path.read_text() == winner
            path.unlink()

    def none(aside: Path, path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    assert [write(content) for content in contents] == [contents[0], None, None, None]
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "a", "first")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_person_asked_for_makes_its_folder_or_names_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_asked(tmp_path / "new" / "deep" / "a", "text", "out")
    assert (tmp_path / "new" / "deep" / "a").read_text() == "text"
    place = tmp_path / "new" / "deep" / "a" / "b"
    with pytest.raises(InputError) as refusal:
        write_asked(place, "text", "out")
    assert str(refusal.value).startswith(f"out must be a file that can be written, got {place} (")
    assert str(refusal.value).endswith("); choose another")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_asked(tmp_path / "b", "text", "out")


def test_many_write_the_same_file_at_once(tmp_path: Path) -> None:
    contents = [str(i) * 100_000 for i in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            [*threads.map(lambda content: write_whole(tmp_path / "a", content), contents)]
            assert (tmp_path / "a").read_text() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
