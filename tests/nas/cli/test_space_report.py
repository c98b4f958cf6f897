"""`nas space` and `nas draw`: what they say of a space, and every refusal in one line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from nas.analysis.wording import describe, in_words
from space import Arch, Band, Space, Task, cost
from tests.nas.conftest import Run

SMALL = """
image_size: 8
axes:
  stages: [2]
  depth: [2, 3]
  width: {low: 8, high: 24, step: 8}
  kernel: [3, 5]
  norm: [ln, bn]
  stem.stride: [2]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_space_counts_its_networks_and_their_cost(run: Run, small: Path) -> None:
    found = json.loads(run("space", small, "--classes", 5, "--channels", 1, "--json")[1])
    assert found["exact"] is True
    # Rungs of (s, 2s) on multiples of 8, s from 8 to 24: the second stage steps at every 4 of s, the first at 12 and 20.
    widths = {(round((s + 0.01) / 8) * 8, round((2 * s + 0.01) / 8) * 8) for s in [8 + i / 16 for i in range(257)]}
    assert found["networks"] == 2 * len(widths) * 2 * 2
    every = [cost(network, Task(8, 1, 5)) for network in _every(found)]
    for name in ("flops", "params", "activations"):
        counts = [getattr(counted, name) for counted in every]
        assert found[name] == [min(counts), max(counts)]


def _every(found: dict[str, object]) -> list[Arch]:
    """The cheapest and the dearest network of SMALL, by hand."""
    ends = []
    for depth, widths, kernel in (((1, 1), (8, 16), 3), ((2, 1), (24, 48), 5)):
        stages = [{"depth": d, "width": w, "kernel": kernel} for d, w in zip(depth, widths, strict=True)]
        ends.append(Arch.from_dict({"stem": {"stride": 2}, "stages": stages}))
    return ends


def test_space_in_words(run: Run) -> None:
    code, out, err = run("space", "convnext_or_modulation_32", "--flops", "20M..22M")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    words = " ".join(out.split())
    assert "kernel 3, 5, 7, 9, 11 (each stage) 5" in lines
    assert "depth 4 to 12 by 1 9" in lines
    assert any(line.startswith("distinct networks: at most ") for line in lines)
    assert "cost at 32 px, 3 channels, 10 classes (FLOPs: conv + linear multiply-accumulates, batch 1):" in words
    reach = Space.load("convnext_or_modulation_32").cost_range(Task(32, 3, 10))
    assert f"flops {reach}" in lines
    assert any(line.startswith("in 20M..22M FLOPs: ") for line in lines)
    assert words.endswith(" of 300 attempts land there")


def test_the_share_is_that_of_random_networks(run: Run, small: Path) -> None:
    task, space = Task(8, 3, 10), Space.load(small)
    middle = int(math.sqrt(space.cost_range(task).low * space.cost_range(task).high))
    found = json.loads(run("space", small, "--flops", f"..{middle}", "--json")[1])
    above = json.loads(run("space", small, "--flops", f"{middle + 1}..1G", "--json")[1])
    assert found["share"] + above["share"] == pytest.approx(1, abs=0.06)  # 2,000 networks each
    assert 0.1 < found["share"] < 0.9


def test_two_spaces_are_compared(run: Run) -> None:
    out = run("space", "roadmap_224", "--against", "roadmap_32")[1]
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "stem.pool (no such axis) false, true" in rows
    assert "image_size 224 32" in rows
    assert not any(row.startswith("kernel") for row in rows), "they have the same kernels"
    plain = json.loads(run("space", "roadmap_224", "--against", "roadmap_32", "--json")[1])
    assert (plain["space"], plain["against"]) == ("roadmap_224", "roadmap_32")
    assert {"axis": "stages", "here": "4", "there": "3"} in plain["rows"]
    assert run("space", "digits", "--against", "digits")[1] == "digits and digits have the same axes and choices\n"


def test_a_space_is_narrowed_and_saved(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    words = ("--narrow", "kernel=7,9", "--narrow", "layer_scale=null", "--narrow", "width=96,104,112", "--save", path)
    assert run("space", "convnext_224", *words)[0] == 0
    saved = Space.load(path)
    assert saved.axes == Space.load("convnext_224").narrow(kernel=(7, 9), layer_scale=None, width=(96, 104, 112)).axes
    assert saved.axes["kernel"].values == (7, 9)
    assert saved.axes["width"].to_plain() == {"low": 96, "high": 112, "step": 8}
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("count", ["flops", "params", "activations"])
def test_draws_meet_every_kind_of_band(run: Run, count: str) -> None:
    bands = {"flops": "20M..24M", "params": "300K..330K", "activations": "200K..220K"}
    rows = json.loads(run("draw", "convnext_or_modulation_32", f"--{count}", bands[count], "--count", 12, "--json")[1])[
        "rows"
    ]
    assert len({row["key"] for row in rows}) == 12
    for row in rows:
        counted = cost(Arch.from_dict(row["arch"]), Task(32, 3, 10))
        assert getattr(counted, count) == row[count]
        assert row[count] in Band.parse(bands[count])
        assert row["log_density"] < -5


def test_draws_meet_several_bands_at_once(run: Run) -> None:
    words = ("--flops", "4G..5G", "--params", "25M..32M", "--activations", "10M..16M", "--count", 6, "--json")
    rows = json.loads(run("draw", "convnext_224", *words)[1])["rows"]
    assert all(4e9 <= row["flops"] <= 5e9 and 25e6 <= row["params"] <= 32e6 for row in rows)
    assert all(10e6 <= row["activations"] <= 16e6 for row in rows)
    assert rows[0]["flops"] == cost(Arch.from_dict(rows[0]["arch"]), Task()).flops, "1,000 classes at 224 px"


@pytest.mark.parametrize("preset", ["convnext_or_modulation_32", "roadmap_224", "digits"])
def test_a_drawn_network_is_a_line_of_80_characters_and_wide_has_it_in_full(
    run: Run, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = ("draw", preset, "--count", 20)
    drawn = [(row["key"], Arch.from_dict(row["arch"])) for row in json.loads(run(*words, "--json")[1])["rows"]]
    lines = run(*words)[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[3:23]] == [key for key, _ in drawn]
    for line, (_, arch) in zip(lines[3:23], drawn, strict=True):
        assert line.rstrip().endswith(in_words(arch))
    assert "in full, and with every count: --wide" in lines[-1]
    bounded = run(*words, "--activations", "..100M")[1]
    assert ("activations" in bounded.splitlines()[1], "activations" in lines[1]) == (True, False)
    wide = run(*words, "--wide")[1]
    assert "activations" in wide.splitlines()[1]
    folded = "".join(wide.split())  # a network of many options takes two lines
    assert all("".join(describe(arch).split()) in folded for _, arch in drawn)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--against", "digits", "--save", "x.yaml"), "space must have one of --against and --save, got both; keep one"),
        (("--narrow", "kernel"), "narrow must be AXIS=CHOICE,CHOICE, got kernel; write e.g. kernel=7,9"),
        (("--narrow", "kernel=6"), "kernel must be among its choices in space convnext_32, got 6; use 3, 5, 7, 9, 11"),
        (("--narrow", "kernel="), "kernel must be among its choices in space convnext_32, got None; use 3, 5, 7, 9, 11"),
        (("--narrow", "kernl=7"), "kernl must be an axis of space convnext_32 to be narrowed, got none; did you mean kernel?"),
        (("--params", "many"), "params must be a band of numbers with K, M or G, got many; write e.g. 1M..4M"),
        (("--activations", "9M..2M"), "activations must rise from low to high, got 9M..2M; write e.g. 1M..4M"),
        (("--image-size", "4"), "space convnext_32: image_size must be at least 32 for stem patchify 4 and 4 stages, got 4; "
         "lower the stem's stride or axes.stages"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(run: Run, words: tuple[str, ...], message: str) -> None:
    code, out, err = run("space", "convnext_32", *words)
    assert (code, out) == (2, "")
    assert err == f"error: {message}\n"


def test_save_never_overwrites(run: Run, small: Path) -> None:
    code, _, err = run("space", "digits", "--save", small)
    assert (code, err) == (2, f"error: save must be a new file, got {small}; choose another name\n")
    assert small.read_text() == SMALL


@pytest.mark.parametrize("count", ["flops", "params", "activations"])
def test_an_impossible_band_is_refused_with_what_is_possible(run: Run, count: str) -> None:
    reach = Space.load("convnext_224").cost_range(Task(), count)
    code, _, err = run("draw", "convnext_224", f"--{count}", "1K..2K")
    assert code == 2
    assert err.startswith(f"error: {count} must be within {reach} for space convnext_224 at 224 px, got 1K..2K; axes.")
    assert err.count("\n") == 1
