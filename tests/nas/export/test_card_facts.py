"""What is read of a model card again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.export.card_facts import CardFacts, data_line, read_card, trained_on


def card(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text("\n".join(lines))
    return folder


def test_both_kinds_of_cards(tmp_path: Path) -> None:
    data = data_line("some/pictures, of mine", "0123456789abcdef")
    searched = (
        "- test accuracy 55.83% (top-1, pics test split, n = 120, 1 seed, untouched by the search)",
        "- validation accuracy of these weights 63.33% (top-1, n = 60, 1 seed, the split they were selected on)",
        "- test balanced accuracy 11.11% (mean)",
    )
    trained = (
        "- averaged weights: test accuracy 55.83% (top-1, pics test split, n = 120, 1 seed), validation 63.33% (n = 60)",
        "- weights of the last step: test accuracy 10.00% (top-1), validation 20.00% (n = 60)",
    )
    older = tuple(line.replace("55.83%", "0.5583").replace("63.33%", "0.6333") for line in trained)
    states = ((searched, "as the search left it"), (trained, "as it was trained"), (older, "as it was trained"))
    for lines, state in states:
        found = read_card(card(tmp_path / "out", *lines, data))
        assert found == CardFacts("some/pictures, of mine", "0123456789abcdef", 0.6333, 0.5583, lines is searched)
        assert found.words(Path("exports/mine")) == f"exports/mine, {state}: validation 63.33%, test 55.83%"
    assert read_card(tmp_path) is None
    assert read_card(card(tmp_path / "imported", "Not measured here")) is None


def test_paths_of_the_training_data_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("set/train/cat", "set/val/cat", "set/test/cat", "other"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    export = card(tmp_path / "out", data_line("set", "0" * 16))
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
