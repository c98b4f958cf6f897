"""Settings: what is frozen in a study's folder comes back, and what is not a study is refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.records.extent import Extent
from nas.records.recipe import Recipe
from nas.records.settings import FILE, Settings, find_study, with_extent
from space import Band, InputError, Space, Task
from tests.dashboard.studies import make_settings

CLASSES = ("0", "yes", "1e5", "null", "Größe", "it's: #1", "🐈", "", "2025-01-01", "a\tb")


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    settings = make_settings(tmp_path.name)
    data = replace(settings.data, classes=CLASSES, source="data/a b", name="user/data")
    written = replace(settings, data=data, seed=7, command="nas search 'a b' --data \"x\" # not a comment")
    written.write(tmp_path)
    assert Settings.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [FILE], "nothing is left aside"


def test_settings_can_be_written_again(tmp_path: Path) -> None:
    make_settings(tmp_path.name).write(tmp_path)
    make_settings(tmp_path.name, seed=2).write(tmp_path)
    assert Settings.read(tmp_path).seed == 2


def test_a_study_goes_by_its_folders_name(tmp_path: Path) -> None:
    make_settings("one", command="nas search digits --study one").write(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path, tmp_path / "link"):
        found = Settings.read(folder)
        assert (found.name, found.command) == (tmp_path.name, f"nas search digits --study {tmp_path.name}")


@pytest.mark.parametrize(
    ("began", "extent", "now"),
    [
        ("nas search digits --trials 8 --study c", Extent(12), "nas search digits --trials 12 --study c"),
        ("nas search digits --trials=8 --seed=1", Extent(12), "nas search digits --trials 12 --seed 1"),
        ("nas search digits --trials=8 --seed=1", Extent(8), "nas search digits --trials=8 --seed=1"),
        ("nas search 'a --trials b' --trials 8", Extent(9), "nas search 'a --trials b' --trials 9"),
        ("nas search digits --trials 8 --accuracy 92%", Extent(60), "nas search digits --trials 60"),
        ("nas search 'digits --trials 8", Extent(60), "nas search 'digits --trials 8"),
        ("nas search digits --trials 8", Extent(8, 10), "nas search digits --trials 8 --repeats 10"),
        ("nas search digits --repeats 2 --trials 8", Extent(9, 4), "nas search digits --repeats 4 --trials 9"),
        ("nas search digits --time '1h 30min' --seed 1", Extent(40), "nas search digits --time '1h 30min' --seed 1"),
        (
            "nas search digits --accuracy 92% --trials 8",
            Extent(8, 16, 0.95),
            "nas search digits --accuracy 95% --trials 8",
        ),
        ("nas search digits --trials 8", Extent(8, 16, 0.925), "nas search digits --trials 8 --accuracy 92.5%"),
        (
            "nas search digits --trials 8 --accuracy 92%",
            Extent(9, 18, 0.92),
            "nas search digits --trials 9 --accuracy 92%",
        ),
        ("nas compare-spaces a b --networks 30", Extent(40), "nas compare-spaces a b --networks 40"),
        ("nas steps a b --seeds 2", Extent(16, 16), "nas steps a b --seeds 2"),
        ("nas search digits --trials 8", None, "nas search digits --trials 8"),
    ],
)
def test_a_command_goes_as_far_as_was_asked_for_last(began: str, extent: Extent | None, now: str) -> None:
    assert with_extent(make_settings("c", command=began), extent) == now


def test_a_baselines_command_is_that_of_its_study() -> None:
    beside = Settings.read(Path(__file__).parents[3] / "runs" / "cifar10-16M-random")
    assert with_extent(beside, Extent(55)) == beside.command


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"epochs": 3}, "3,231 images (3 epochs of 1,077)"),
        ({"epochs": 1}, "1,077 images (1 epoch of 1,077)"),
        ({"epochs": 3, "train_images": 500}, "1,500 images (3 epochs of 500 of 1,077)"),
        ({"epochs": 3, "train_images": 1077}, "3,231 images (3 epochs of 1,077)"),
        ({"epochs": 3, "train_images": 5000}, "3,231 images (3 epochs of 1,077)"),
        ({"images": 700, "period_images": 350}, "700 images (0.65 epochs of 1,077)"),
        ({}, "30,000 images (27.9 epochs of 1,077)"),
    ],
)
def test_images_are_those_trained_on_and_not_those_asked_for(asked: dict[str, int], said: str) -> None:
    """A recipe for a part that is more than the data has draws from all of it."""
    settings = make_settings("mine", recipe=Recipe(**asked).to_dict())  # type: ignore[arg-type]
    assert settings.training == said


def test_what_they_mean(tmp_path: Path) -> None:
    make_settings("mine", recipe=Recipe(epochs=3).to_dict()).write(tmp_path)
    settings = Settings.read(tmp_path)
    assert settings.band == Band(1_000_000, 4_000_000)
    assert settings.task == Task(image_size=8, channels=1, classes=10)
    assert settings.build_space() == Space.load("digits")
    assert settings.build_recipe() == Recipe(epochs=3).settled(1077)


def spoil(folder: Path, **changes: Any) -> Path:
    """A study.yaml with other values; None takes a key away."""
    make_settings("mine").write(folder)
    plain = yaml.safe_load((folder / FILE).read_text()) | changes
    kept = {key: value for key, value in plain.items() if value is not None}
    (folder / FILE).write_text(yaml.safe_dump(kept))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 4}, "version must be from 1 to 3, got 4; read it with the release of nas that wrote it"),
        ({"version": None}, "version must be from 1 to 3, got None; read it with the release of nas that wrote it"),
        ({"sede": 1}, "sede must be a known key; did you mean seed?"),
        ({"seed": None}, "seed must be given, got nothing; add it"),
        ({"seed": "one"}, "seed must be a whole number, got 'one'; correct it"),
        (
            {"sampler": "tpa"},
            "sampler must be one of ehvi, tpe, nsga2, random, spread, design, got tpa; did you mean tpe?",
        ),
        ({"data": {"name": "x", "nmae": "y"}}, "data.nmae must be a known key; did you mean name?"),
        ({"space": [1]}, "space must be a valid dictionary, got [1]; correct it"),
    ],
)
def test_a_spoilt_study_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Settings.read(spoil(tmp_path, **changes))
    assert str(refusal.value) == f"{tmp_path / FILE}: {message}"


def test_a_spoilt_space_recipe_or_band_is_refused_where_it_is_used(tmp_path: Path) -> None:
    axes = {"depth": [3], "width": [8], "kernal": [3]}
    spoil(tmp_path, space={"image_size": 8, "axes": axes}, recipe={"epochs": 0}, flops_low=5, flops_high=4)
    settings = Settings.read(tmp_path)
    for use, message in (
        (settings.build_space, "study.yaml: axes.kernal must be a known axis; did you mean kernel?"),
        (settings.build_recipe, "study.yaml: recipe: epochs must be from 1 to 10000, got 0; correct it"),
        (lambda: settings.band, "flops must rise from low to high, got 5..4; write e.g. 1M..4M"),
    ):
        with pytest.raises(InputError) as refusal:
            use()
        assert str(refusal.value) == message


def test_an_older_study_is_read_but_not_resumed(tmp_path: Path) -> None:
    old = Settings.read(spoil(tmp_path, version=1))
    assert (old.version, old.seed) == (1, make_settings("mine").seed)
    with pytest.raises(InputError) as refusal:
        old.check_resumable()
    assert str(refusal.value) == (
        f"study {tmp_path.name} must have version 3 to be resumed, got 1; start another study with --study NAME"
    )
    make_settings("mine").check_resumable()


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        Settings.read(tmp_path)
    assert str(refusal.value) == (
        f"study must be a folder with study.yaml, got {tmp_path}; `nas studies` lists what there is"
    )


def test_a_study_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("b-first", "a-second"):
        (runs / name).mkdir(parents=True)
        make_settings(name).write(runs / name)
    (runs / "no-study").mkdir()
    assert find_study("b-first", runs) == runs / "b-first"
    assert find_study(str(runs / "b-first"), tmp_path / "elsewhere") == runs / "b-first"
    with pytest.raises(InputError, match=r"got b-frist; did you mean b-first\?$"):
        find_study("b-frist", runs)
    for study in ("no-study", "x" * 300, str(runs)):
        with pytest.raises(InputError) as refusal:
            find_study(study, runs)
        assert str(refusal.value) == (
            f"study must be a name under {runs} or a study's folder, got {study}; there: a-second, b-first"
        )


def test_where_there_is_no_study_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got first; there: none$"):
        find_study("first", tmp_path)
    with pytest.raises(InputError, match=r"got first; there: no such folder$"):
        find_study("first", tmp_path / "runs")


def test_hypervolume_goes_over_the_band_of_what_is_minimised_or_the_range_of_the_space() -> None:
    reach = Space.load("digits").cost_range(Task(8, 1, 10), "params")
    every = {
        (): reach, ((20_000, 40_000),): Band(20_000, 40_000), ((1, 40_000),): Band(reach.low, 40_000),
    }  # fmt: skip
    for band, ends in every.items():
        assert make_settings("s", minimize="params", params=band[0] if band else None).ends == ends
    open_below = make_settings("s", flops_low=1)
    assert open_below.ends == open_below.band == Band(1, 4_000_000), "FLOPs as they were given"
