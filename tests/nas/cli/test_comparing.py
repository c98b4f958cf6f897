"""`nas compare-spaces`, and `nas space --narrow-from`, which proposes what it tests."""

from __future__ import annotations

import json
import random
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from nas.cli.comparing import print_comparison
from nas.cli.narrowing import command_to_test
from nas.records.data_card import Reading
from nas.records.settings import Settings
from nas.searching.comparing import study_names
from nas.searching.plan import SearchPlan
from nas.storage.reader import Reader
from space import Band, Space
from tests.dashboard.studies import add_trial, make_drawn
from tests.nas.conftest import Run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def words(tiny_space: Path, tiny_recipe: Path, tmp_path: Path) -> list[object]:
    few = tmp_path / "few.yaml"
    few.write_text(Space.load(tiny_space).narrow(norm="bn").to_yaml())
    return [
        "compare-spaces", tiny_space, few, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe,
        "--runs", tmp_path / "runs",
    ]  # fmt: skip


def test_two_spaces_are_compared_and_the_same_command_goes_on(
    run: Run, words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(*words, "--networks", 8, "--study", "pair", "--dry-run")
    assert (code, out) == (0, "")
    assert err.count("estimate: training takes") == 2, "of both, before anything trains"
    assert not (tmp_path / "runs").exists()
    code, out, err = run(*words, "--networks", 8, "--study", "pair")
    assert code == 0, err
    assert err.index("space few, seed") < err.index("trial   0")
    folders = tmp_path / "runs" / "pair-a", tmp_path / "runs" / "pair-b"
    one, other = map(Settings.read, folders)
    assert (one.sampler, one.stop, other.sampler, other.stop) == ("random", "none", "random", "none")
    assert (one.space_name, other.space_name) == ("tiny", "few")
    assert one.seed != other.seed, "else equal axes draw equal networks"
    assert (one.recipe, one.data) == (other.recipe, other.data)
    assert "random networks of two spaces in 20K..200K FLOPs" in out
    assert max(map(len, out.splitlines()[:14])) <= 80
    assert "at equal FLOPs (Kolmogorov-Smirnov distance" in out
    assert "The narrowing is " in out
    assert "1 part of the band, in log, counts the same for both" in " ".join(out.split())
    code, again, err = run(*words, "--networks", 8, "--study", "pair")
    assert (code, again) == (0, out)
    assert err.count("nothing is left to train") == 2
    run(*words, "--networks", 9, "--study", "pair")
    assert [sum(trial.state == "complete" for trial in Reader(folder).trials()) for folder in folders] == [9, 9]


def test_json_has_both_spaces_and_what_the_numbers_are_of(run: Run, words: list[object]) -> None:
    code, out, _ = run(*words, "--networks", 8, "--json", "--quiet")
    assert code == 0
    found = json.loads(out)
    assert [row["space"] for row in found["rows"]] == ["tiny", "few"]
    assert [row["study"] for row in found["rows"]] == [
        f"compare-tiny-few-digits-20K-200K-{place}" for place in ("a", "b")
    ]
    assert found["score"] == {
        "metric": "accuracy", "split": "validation", "n": 359, "seeds": "1 seed per network",
        "training": "512 images (2 epochs of 256 of 1,079)",
    }  # fmt: skip
    assert found["flops_convention"].startswith("conv + linear")
    assert 0 < found["p"] <= 1
    assert found["p"] == min(row["ahead_p"] for row in found["rows"])
    assert found["ruling"].startswith("The narrowing is ")
    assert [best["networks"] for best in found["rows"][0]["best_of"]] == [1, 2]


def test_what_failed_to_train_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = make_drawn(tmp_path, "one", seed=1), make_drawn(tmp_path, "other", 20, 2)
    print_comparison(one, other, as_json=False)
    assert "failed to train" not in capsys.readouterr().out
    for seed in range(10):
        add_trial(other, random.Random(seed), "failed")
    print_comparison(one, other, as_json=False)
    out = capsys.readouterr().out
    assert re.search(r"failed to train +0 +10\s", out)
    assert "0 of 30 networks of one, 10 of 30 networks of other." in " ".join(out.split())
    print_comparison(one, other, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [(row["networks"], row["trained"], row["failed"]) for row in found["rows"]] == [(30, 30, 0), (30, 20, 10)]


def test_what_cannot_be_compared_is_refused_before_anything_trains(
    run: Run, words: list[object], tmp_path: Path
) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(Space.load("digits").narrow(width=tuple(range(80, 97, 4))).to_yaml())
    code, _, err = run(*[large if word == words[2] else word for word in words])
    assert code == 2
    assert "flops must " in err
    assert not (tmp_path / "runs").exists()
    code, _, err = run(*words, "--networks", 7)
    assert (code, err) == (2, "error: networks must be at least 8, got 7; write e.g. --networks 8\n")
    code, _, err = run(*words, "--networks", 8, "--study", "x" * 64)
    assert code == 2
    assert "study must be 1 to 64 letters" in err


def test_long_names_leave_room(tmp_path: Path) -> None:
    space, plan = Space.load("convnext_or_modulation_32"), SearchPlan(trials=8, seed=3)
    folder = tmp_path / "a-data-set-of-a-long-name"
    folder.mkdir()
    names = study_names(space, space, str(folder), Band(2_000_000, 4_000_000), plan)
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 64
    assert [name[-2:] for name in names] == ["-a", "-b"]


def test_a_study_proposes_a_narrower_space(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "narrowed.yaml"
    name = "convnext_or_modulation_32"
    asked = ("space", name, "--narrow-from", "cifar10-16M", "--runs", ROOT / "runs")
    code, printed, err = run(*asked, "--out", out)
    assert code == 0, err
    assert max(map(len, printed.splitlines()[:24])) <= 80
    assert "norm" in printed
    assert "95% for all 16 pairs of choices together (Bonferroni)" in printed
    space, narrower = Space.load(name), Space.load(out)
    assert [row[0] for row in space.differences(narrower)] == ["kernel", "expansion", "norm"]
    command = shlex.split(printed.splitlines()[-1])
    assert command[:4] == ["nas", "compare-spaces", name, str(out)]
    assert command[command.index("--images") + 1] == "90000"
    assert command[command.index("--flops") + 1] == "1M..16M"
    code, printed, _ = run(*asked, "--json")
    rows = {row["axis"]: row for row in json.loads(printed)["rows"]}
    assert rows["norm"]["dropped"] == ["ln"]
    assert rows["norm"]["effects"][0]["high"] < 0
    assert rows["stages"]["dropped"] == []
    code, _, err = run(*asked, "--out", out)
    assert (code, "must be a new file" in err) == (2, True)


def test_the_test_of_a_proposal_trains_by_the_studys_recipe() -> None:
    settings = Settings.read(ROOT / "runs" / "cifar10-16M")
    for typed in ("--recipe slow.yaml", "--recipe=slow.yaml", "--recipe='slow.yaml'"):
        words = command_to_test("s", Path("n.yaml"), replace(settings, command=f"nas search s {typed} --trials 3"))
        assert " --recipe slow.yaml" in words
    assert "--recipe" not in command_to_test("s", Path("n.yaml"), settings)


def test_the_test_of_a_proposal_reads_the_studys_data_as_it_did() -> None:
    settings = Settings.read(ROOT / "runs" / "cifar10-16M")
    assert "--image-size" not in command_to_test("s", Path("n.yaml"), settings)
    read = Reading(validation="/data/held out", label_column="kind", skip_broken=True)
    card = replace(settings.data, image_size=24, reading=read)
    words = shlex.split(command_to_test("s", Path("n.yaml"), replace(settings, data=card)))
    assert words[-7:] == ["--image-size", "24", "--val", "/data/held out", "--label-column", "kind", "--skip-broken"]


def test_a_proposal_needs_a_study_of_the_space(run: Run) -> None:
    runs = ("--runs", ROOT / "runs")
    code, _, err = run("space", "roadmap_32", "--narrow-from", "cifar10", *runs)
    assert code == 2
    assert "narrow-from must be a study of space roadmap_32, got cifar10, whose " in err
    code, _, err = run("space", "convnext_32", "--narrow-from", "cifar10", "--narrow", "kernel=7", *runs)
    assert code == 2
    assert "narrow-from must stand without --against and --narrow" in err
    code, _, err = run("space", "convnext_32", "--narrow-from", "cifar10", "--flops", "1M..2M", "--classes", 5, *runs)
    assert (code, err.strip()) == (
        2, "error: narrow-from must stand without --flops and --classes, got both; leave one out"
    )  # fmt: skip
    code, _, err = run("space", "convnext_32", "--against", "conv2former_32", "--channels", 1)
    assert (code, "against must stand without --channels, got both" in err) == (2, True)
