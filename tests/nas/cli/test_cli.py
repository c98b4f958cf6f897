"""The command: every verb, JSON as promised, one-line errors, exit codes."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.analysis.wording import LEGEND
from nas.storage.reader import Reader
from space import Arch, Space, Task, cost
from tests.brief import measure_briefly
from tests.forked import fork_what_is_started
from tests.nas.conftest import Run

FIELDS = {
    "trial", "state", "accuracy", "flops", "params", "activations", "forecast_latency", "key", "log_density", "below", "seconds", "periods",
    "images", "seed", "repeat_of", "retry_of", "accuracies", "decisions", "arch", "reason", "owner", "metric", "balanced_accuracy",
    "class_accuracies", "class_images",
}  # fmt: skip
FRONT_FIELDS = FIELDS | {"seeds", "interval", "expected", "probability", "tie", "baseline_accuracy"}


def test_the_versions(run: Run) -> None:
    expected = f"nas {nas.__version__}, torch {version('torch')}, optuna {version('optuna')}\n"
    assert run("--version") == (0, expected, "")


def test_cost_of_convnext_tiny(run: Run) -> None:
    code, out, err = run("cost", "convnext_tiny", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"] == [{
        "network": "convnext_tiny", "flops": 4455531264, "params": 28589128, "activations": 13435624, "key": Arch.load("convnext_tiny").key,
        "image_size": 224, "channels": 3, "classes": 1000,
    }]  # fmt: skip
    assert (
        "4,455,531,264 (4.46G; conv + linear multiply-accumulates, batch 1, 224 px, 3 channels, 1,000 classes)"
        in run("cost", "convnext_tiny")[1]
    )


def test_cost_of_a_file_at_another_size(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(Arch.load("convnext_small").to_yaml())
    (row,) = json.loads(run("cost", path, "--image-size", 64, "--classes", 10, "--json")[1])["rows"]
    assert row["flops"] == cost(Arch.load("convnext_small"), Task(64, 3, 10)).flops


def test_draw_gives_networks_of_the_space_inside_the_band(run: Run) -> None:
    words = ("draw", "convnext_or_modulation_32", "--count", 7, "--flops", "20M..25M", "--seed", 3, "--json")
    rows = json.loads(run(*words)[1])["rows"]
    assert len(rows) == 7
    for row in rows:
        arch = Arch.from_dict(row["arch"])
        assert arch in Space.load("convnext_or_modulation_32")
        assert row["flops"] == cost(arch, Task(32, 3, 10)).flops
        assert 20e6 <= row["flops"] <= 25e6
        assert row["key"] == arch.key
    assert json.loads(run(*words)[1])["rows"] == rows
    assert "20M" not in run("draw", "convnext_or_modulation_32", "--count", 1)[2]


def test_a_study_from_search_to_export(
    run: Run, tmp_path: Path, tiny_space: Path, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_what_is_started(monkeypatch.setattr)
    measure_briefly(monkeypatch.setattr)
    runs = ("--runs", tmp_path / "runs")
    words: tuple[Any, ...] = (
        "search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe, "--study", "s", *runs,
    )  # fmt: skip
    tiny_recipe.write_text(f"{tiny_recipe.read_text()}batch_size: 300\n")
    code, out, err = run(*words, "--trials", 3, "--json")
    assert code == 0
    assert err.count("note: batch_size 300 is more than the 256 training images, so batches are of 256\n") == 1
    front = json.loads(out)["rows"]
    assert all(set(row) == FRONT_FIELDS for row in front)
    assert err.count("\ntrial ") == 3
    assert err.count(LEGEND) == 1, "how its networks are written"
    code, out, _ = run(*words, "--trials", 4)
    assert "s: front of 4 trials in 20K..200K FLOPs" in out
    assert "validation split, n = 359, 1 seed per" in out.replace("\n", " ")

    trials = json.loads(run("trials", "s", *runs, "--json")[1])["rows"]
    assert all(set(row) == FIELDS for row in trials)
    assert sum(row["state"] == "complete" for row in trials) == 4
    front = json.loads(run("front", tmp_path / "runs" / "s", "--json")[1])["rows"]
    accuracies = [row["accuracy"] for row in front]
    assert accuracies == sorted(accuracies)
    assert [row["study"] for row in json.loads(run("studies", *runs, "--json")[1])["rows"]] == ["s"]
    for verb in ("trials", "front"):
        assert "conv + linear" in " ".join(run(verb, "s", *runs)[1].split())

    code, out, err = run("export", "s", "--out", tmp_path / "out", *runs, "--pick", "knee", "--json")
    assert code == 0
    assert json.loads(out)["test_images"] == 359
    code, out, err = run("export", "s", "--out", tmp_path / "out", *runs)
    assert (code, out) == (2, "")
    assert err.startswith("error: out must be a new folder")
    code, out, _ = run("export", "s", "--out", tmp_path / "cheap", *runs, "--flops", "..200K")
    assert f'nas.load_export("{tmp_path / "cheap"}")' in out

    code, _, err = run(*words[:-2], *runs, "--trials", 9, "--seed", 1)
    assert code == 2
    assert err.endswith("error: seed must be 0 to resume s, got 1; start another study with --study NAME\n")


def test_images_that_are_no_equal_periods_are_said(
    run: Run, tmp_path: Path, tiny_space: Path, tiny_recipe: Path
) -> None:
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe)
    err = run(*words, "--runs", tmp_path, "--trials", 2, "--images", 601, "--dry-run")[2]
    assert "note: each network sees 600 images, 6 periods of 100\n" in err


def test_images_take_the_place_of_the_files_epochs(
    run: Run, tmp_path: Path, tiny_space: Path, tiny_recipe: Path
) -> None:
    words = (
        "search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe, "--study", "s",
        "--runs", tmp_path, "--trials", 2, "--images", "0.6K", "--json",
    )  # fmt: skip
    code, out, err = run(*words)
    assert code == 0
    assert "2 trials, 20K..200K FLOPs, 600 images (2.34 epochs of 256 of 1,079) on cpu" in err
    assert {row["images"] for row in json.loads(out)["rows"]} == {600}
    recipe = Reader(tmp_path / "s").settings.recipe
    assert (recipe["images"], recipe["period_images"], recipe["epochs"], recipe["lr"]) == (600, 100, None, 0.002)
    assert [period.images for period in Reader(tmp_path / "s").curve(0)] == [100, 200, 300, 400, 500, 600]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cost", "convnext_tinny"), "network must be a YAML file or a preset, got convnext_tinny; did you mean convnext_tiny?"),
        (("cost", "none.yaml"), "network must be an existing YAML file, got none.yaml; check the path"),
        (("cost", "convnext_tiny", "--image-size", "8"), "stages must leave one pixel at least, got stem patchify 4 and 4 stages on 8 px; lower the stem's stride or the number of stages"),
        (("cost", "convnext_tiny", "--classes", "0"), "classes must be from 1 to 1000000, got 0; correct it"),
        (("draw", "digitz"), "space must be a YAML file or a preset, got digitz; did you mean digits?"),
        (("draw", "convnext_or_modulation_32", "--flops", "lots"), "flops must be a band of numbers with K, M or G, got lots; write e.g. 1M..4M"),
        (("draw", "convnext_or_modulation_32", "--flops", "9M..2M"), "flops must rise from low to high, got 9M..2M; write e.g. 1M..4M"),
        (("front", "none", "--runs", "nowhere"), "study must be a name under nowhere or a study's folder, got none; there: no such folder"),
        (("studies", "--runs", "nowhere"), "runs must be a folder that exists, got nowhere; check the path"),
        (("studies", "--runs", "pyproject.toml"), "runs must be a folder that exists, got pyproject.toml; check the path"),
        (("measure", "s", "--runs", "nowhere"), "runs must be a folder that exists, got nowhere; check the path"),
        (("dashboard", "--runs", "nowhere"), "runs must be a folder that exists, got nowhere; check the path"),
        (("dashboard", "--exports", "nowhere"), "exports must be a folder that exists, got nowhere; check the path"),
        (("search", "digits", "--data", "digits", "--flops", "1G..2G", "--trials", "3"), "flops must be within 8.76K..98.4893M for space digits at 8 px, got 1G..2G; axes.width"),
        (("search", "digits", "--data", "./nothing", "--flops", "1M..4M", "--trials", "3", "--study", "../x"), "study must be 1 to 64 letters"),
        (("search", "digits", "--data", "./nothing", "--flops", "1M..4M", "--trials", "3", "--study", "x" * 60, "--baseline"), "study must be 1 to 64 letters"),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "3", "--device", "gpu"), "device must be auto, cpu, cuda or e.g. cuda:1, got gpu; use one of these"),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "3", "--on", "dask"), "on must be ray or ray://host:port, got dask; correct it"),
        (("search", "digitz", "--data", "digits", "--flops", "1M..4M"), "space must be a YAML file or a preset, got digitz"),
        (("search", "digits", "--data", "digits", "--flops", "4M..1M"), "flops must "),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "3", "--recipe", "none.yaml"), "none.yaml must be readable, got No such file or directory; check the path"),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "3", "--images", "30K", "--epochs", "6"), "images must stand without epochs, got 30000 and 6; leave one out"),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "3", "--images", "lots"), "images must be "),
        (("search", "digits"), "data must be given, got nothing; see nas search --help"),
        (("train",), "ARCH|EXPORT must be given, got nothing; see nas train --help"),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "0"), "trials must be at least 1, got 0; write e.g. --trials 1"),
        (("draw", "digits", "--count", "2.5"), "count must be a whole number, got 2.5; write e.g. --count 8"),
        (("search", "digits", "--cpus-per-worker", "two"), "cpus-per-worker must be a number, got two; write e.g. --cpus-per-worker "),
        (("dashboard", "--port", "65536"), "port must be at most 65535, got 65536; write e.g. --port 65535"),
        (("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", "3", "--minimize", "parms"), "minimize must be one of flops, params, activations, latency, got parms; did you mean params?"),
        (("search", "digits", "--data", "digits", "--latency", "..5ms@", "--trials", "3"), "latency must name a device after @, got ..5ms@; write ..5ms, or e.g. ..5ms@epyc"),
        (("export", "s", "--pick", "x"), "pick must be one of best, knee, cheapest, got x; choose one"),
        (("nonsense",), "command must be one that nas has, got nonsense; see nas --help"),
        (("serach", "digits"), "command must be one that nas has, got serach; did you mean search?"),
        (("search", "--trails", "3"), "option must be one that nas search has, got --trails; did you mean --track or --train or --trials?"),
        (("export", "c", "--max-flops", "1M"), "option must be one that nas export has, got --max-flops; did you mean --flops?"),
        (("export", "c", "--hepl"), "option must be one that nas export has, got --hepl; see nas export --help"),
        (("search", "digits", "--flops"), "flops must have a value, got none; write --flops and the value"),
        (("front", "s", "--json=1"), "json must have no value, got one; write --json alone"),
        (("front", "-x"), "option must be one that nas front has, got -x; see nas front --help"),
        (("search", "digits", "more", "--data", "digits"), "arguments must be those that nas search takes, got also more; see nas search --help"),
    ],
)  # fmt: skip
def test_a_persons_mistake_is_one_line_and_exit_2(run: Run, words: tuple[str, ...], message: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_no_studies_says_how_to_begin(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("studies", "--runs", tmp_path)
    assert code == 0
    assert "begin one: nas search digits --data digits --flops 1M..4M --trials 30" in out


def test_a_broken_study_is_listed_with_its_trouble(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "study.yaml").write_text("version: 1\nname: [")
    rows = json.loads(run("studies", "--runs", tmp_path, "--json")[1])["rows"]
    assert rows[0]["state"] == "broken"
    assert "must be valid YAML" in rows[0]["problem"]


def test_an_empty_study_has_no_front_to_export(run: Run, tmp_path: Path, tiny_space: Path) -> None:
    from tests.nas.empty_study import write_empty_study

    write_empty_study(tmp_path / "empty", tiny_space)
    code, _, err = run("export", "empty", "--runs", tmp_path, "--out", tmp_path / "out")
    assert code == 2
    assert err == "error: front must have a finished trial, got none; run `nas search` first, or for longer\n"
    assert json.loads(run("front", "empty", "--runs", tmp_path, "--json")[1])["rows"] == []
    assert run("trials", "empty", "--runs", tmp_path)[0] == 0


def test_a_study_of_an_older_version_is_not_resumed(run: Run, tmp_path: Path, tiny_space: Path) -> None:
    from tests.nas.empty_study import write_empty_study

    write_empty_study(tmp_path / "old", tiny_space)
    file = tmp_path / "old" / "study.yaml"
    file.write_text(file.read_text().replace("version: 3", "version: 1"))
    assert run("trials", "old", "--runs", tmp_path)[0] == 0
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--trials", 1, "--study", "old")
    assert run(*words, "--runs", tmp_path)[::2] == (
        2,
        "error: study old must have version 3 to be resumed, got 1; start another study with --study NAME\n",
    )


@pytest.mark.parametrize(
    "verb", ["search", "studies", "trials", "front", "audit", "cost", "show", "draw", "export", "dashboard"]
)
def test_every_verb_has_help_with_an_example(run: Run, verb: str) -> None:
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert re.search(rf"Examples?: nas {verb}", " ".join(out.split()))


def test_repeats_and_a_baseline_with_as_many_images(
    run: Run, tmp_path: Path, tiny_space: Path, tiny_recipe: Path
) -> None:
    words: tuple[Any, ...] = (
        "search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe, "--study", "s",
        "--runs", tmp_path, "--trials", 3,
    )  # fmt: skip
    code, _, err = run(*words, "--repeats", 2, "--baseline")
    assert code == 0
    assert "baseline: random search, trained on the same 2,560 images" in err
    rows, beside = (
        json.loads(run("trials", name, "--runs", tmp_path, "--json")[1])["rows"] for name in ("s", "s-random")
    )
    assert [row["state"] for row in rows] == ["complete"] * 5
    assert sum(row["repeat_of"] is not None for row in rows) == 2
    assert sum(row["images"] for row in rows) == sum(row["images"] for row in beside) == 10 * 256
    assert all(row["log_density"] for row in beside), "drawn at random"
    front = run("front", "s", "--runs", tmp_path)[1].replace("\n", " ")
    assert "s-random" in front
    assert run(*words, "--repeats", 2, "--baseline")[0] == 0
    assert len(json.loads(run("trials", "s-random", "--runs", tmp_path, "--json")[1])["rows"]) == 5, (
        "nothing is done twice"
    )
    (tmp_path / "s-random").rename(tmp_path / "other")
    assert run(*words, "--sampler", "random", "--images", 512, "--study", "s-random")[0] == 0
    code, out, err = run("front", "s", "--runs", tmp_path)
    assert "s-random is not set beside it as random search's: its recipe." in out.replace("\n", " ")
    code, _, err = run(*words, "--repeats", 5, "--baseline", "--dry-run")
    assert (code, "to resume s-random, got" in err, "estimate" in err) == (2, True, False), "before anything is trained"
    code, _, err = run(*words[:-2], "--trials", 3, "--sampler", "random", "--baseline")
    assert code == 2
    assert err.startswith("error: baseline must stand beside another search, got one of sampler random itself")
