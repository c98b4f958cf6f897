"""The facts of an export: written, read again, and what they say of pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nas.export.facts import FACTS, Facts, read_facts, trained_on
from space import InputError

SEARCHED = Facts("some/pictures, of mine", "0123456789abcdef", 0.63333, 0.55833, searched=True)


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_facts(tmp_path) is None, "of earlier releases, and of imported weights"
    for facts, state in ((SEARCHED, "as the search left it"), (replace(SEARCHED, searched=False), "as it was trained")):
        facts.write(tmp_path)
        assert read_facts(tmp_path) == facts
        assert facts.words(Path("exports/mine")) == f"exports/mine, {state}: validation 63.33%, test 55.83%"


def test_damaged_facts_are_refused(tmp_path: Path) -> None:
    SEARCHED.write(tmp_path)
    text = (tmp_path / FACTS).read_text()
    (tmp_path / FACTS).write_text(text[:-5])
    with pytest.raises(InputError, match=r"facts.json must be JSON, got other text; export the network again$"):
        read_facts(tmp_path)
    (tmp_path / FACTS).write_text(json.dumps(json.loads(text) | {"test": "much"}))
    with pytest.raises(InputError, match=r"facts.json: test must be a valid number, .* got 'much'; correct it$"):
        read_facts(tmp_path)


def test_paths_of_the_training_data_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("set/train/cat", "set/val/cat", "set/test/cat", "other"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    export = tmp_path / "out"
    export.mkdir()
    replace(SEARCHED, source="set").write(export)
    flatters = "its accuracy there flatters"
    assert trained_on(export, [Path("set"), Path("other")]) == [f"set is what this network was trained on: {flatters}"]
    assert trained_on(export, [tmp_path]) == [f"{tmp_path} holds set, which this network was trained on: {flatters}"]
    assert trained_on(export, [Path("set/train/cat")]) == [
        f"set/train/cat is part of set, which this network was trained on: {flatters}"
    ]
    assert trained_on(export, [Path("set/val")]) == [
        f"set/val is part of set, which this network was chosen on: {flatters}"
    ]
    assert trained_on(export, [Path("set/test")]) == []
    assert trained_on(tmp_path / "other", [Path("set")]) == []
    monkeypatch.chdir(tmp_path / "other")
    assert trained_on(export, [tmp_path / "set"]) == [], "what is relative is known from where it was said"
