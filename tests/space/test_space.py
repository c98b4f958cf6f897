"""Space: what it contains, how it draws inside a band, and what it can reach, against enumeration."""

from __future__ import annotations

import math
import random
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from space import Arch, Band, InputError, Space, Stage, Stem, Task, cost
from space.arch import Head
from space.axes import Axis, Value, share
from space.chooser import RandomChooser
from space.reading import presets
from tests.space.networks import PRESETS

TASKS = {"digits": Task(8, 1, 10), "cifar": Task(32, 3, 10), "imagenet": Task(224, 3, 1000)}
BANDS = {"digits": "1M..4M", "cifar": "20M..25M", "imagenet": "4G..5G"}
TINY: dict[str, Any] = {
    "stages": [1, 2], "ratio": ["1", "1-1", "1-2"], "depth": [2, 3, 4], "width": [8, 12, 24], "growth": [1.0, 1.7],
    "block": {"each_stage": ["convnext", "modulation"]}, "kernel": [3, 5], "expansion": {"each_stage": [1, 2.5]},
    "norm": ["ln", "bn"], "stem_stride": [1, 2], "layer_scale": [None],
}  # fmt: skip
FREE = {"stages": [2], "depth": [2, 3], "width": {"each_stage": [8, 12, 20, 44]}, "stem_stride": [2]}
TASK = Task(8, 3, 10)


def read(axes: dict[str, Any], image_size: int = 8, name: str = "mine") -> Space:
    return Space.from_dict({"image_size": image_size, "axes": axes}, name, "mine.yaml")


def enumerate_tiny() -> list[Arch]:
    """Every setting of TINY, built without the package's help but for `share`."""
    found = []
    for stages, depth, base, growth, kernel, norm, stride in product(
        (1, 2), (2, 3, 4), (8, 12, 24), (1.0, 1.7), (3, 5), ("ln", "bn"), (1, 2)
    ):
        widths = [base, 8 * int(base * growth / 8 + 0.5)][:stages]
        for ratio in {1: ["1"], 2: ["1-1", "1-2"]}[stages]:
            for choice in product(product(("convnext", "modulation"), (1.0, 2.5)), repeat=stages):
                rest: Any = {"kernel": kernel, "norm": norm, "layer_scale": None}
                rows = [
                    Stage(depth=d, width=w, block=b, expansion=e, **rest)  # type: ignore[arg-type]
                    for d, w, (b, e) in zip(share(depth, ratio), widths, choice, strict=True)
                ]
                any_norm: Any = norm
                stem = Stem(stride=stride, norm=any_norm)
                found.append(Arch(stem=stem, stages=tuple(rows), head=Head(norm=any_norm)))
    return found


@pytest.fixture(scope="module")
def everything() -> list[Arch]:
    return enumerate_tiny()


def test_size_counts_every_setting(everything: list[Arch]) -> None:
    assert read(TINY).size == len(everything)


def test_reach_is_that_of_all_networks(everything: list[Arch]) -> None:
    counts = [cost(network, TASK).flops for network in everything]
    assert read(TINY).reach(TASK) == Band(min(counts), max(counts))


def test_reach_with_widths_stage_by_stage() -> None:
    counts = []
    for depths, widths in product(([1, 1], [2, 1]), product((8, 12, 20, 44), repeat=2)):
        rows = tuple(Stage(depth=d, width=w) for d, w in zip(depths, widths, strict=True))
        counts.append(cost(Arch(stem=Stem(stride=2), stages=rows), TASK).flops)
    assert read(FREE).reach(TASK) == Band(min(counts), max(counts))
    odd = FREE | {"width": {"each_stage": [12, 20]}}  # not multiples of 8
    least = Arch(stem=Stem(stride=2), stages=(Stage(depth=1, width=12),) * 2)
    assert read(odd).reach(TASK).low == cost(least, TASK).flops


def test_it_contains_exactly_what_it_builds(everything: list[Arch]) -> None:
    space, rng = read(TINY), random.Random(0)
    assert all(network in space for network in everything)
    drawn = {space.draw(rng, TASK).key for _ in range(6000)}
    assert drawn <= {network.key for network in everything}
    assert drawn >= {network.key for network in everything if len(network.stages) == 1}


@pytest.mark.parametrize("preset", PRESETS)
def test_draws_are_in_the_band_in_reach_and_in_the_space(preset: str) -> None:
    space, task, band, rng = Space.load(preset), TASKS[preset], Band.parse(BANDS[preset]), random.Random(0)
    reach = space.reach(task)
    for _ in range(60):
        inside, anywhere = space.draw(rng, task, band), space.draw(rng, task)
        assert cost(inside, task).flops in band
        assert cost(anywhere, task).flops in reach
        assert inside in space
        assert anywhere in space


class Aiming:
    """Chooses as RandomChooser does and remembers the FLOPs aimed at."""

    def __init__(self, seed: int) -> None:
        self.inner, self.aim = RandomChooser(random.Random(seed)), 0.0

    def choice(self, name: str, axis: Axis) -> Value:
        return self.inner.choice(name, axis)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        self.aim = self.inner.log_uniform(name, low, high)
        return self.aim


def test_a_shape_lands_in_the_band_wherever_a_width_does_and_nearest_to_its_aim() -> None:
    space, task, band, outcomes = Space.load("cifar"), TASKS["cifar"], Band.parse("20M..24M"), []
    for seed in range(80):
        shape = space.shape(RandomChooser(random.Random(seed)))
        chooser = Aiming(seed)
        flops = cost(space.compose(chooser, task, band), task).flops
        every = [cost(shape.at(i), task).flops for i in range(len(shape))]
        inside = [count for count in every if count in band]
        assert flops == min(inside or every, key=lambda count, aim=chooser.aim: abs(math.log(count / aim)))  # type: ignore[misc]
        outcomes.append(bool(inside))
    assert set(outcomes) == {True, False}


def test_draws_spread_over_a_wide_band() -> None:
    space, task, rng = Space.load("cifar"), TASKS["cifar"], random.Random(0)
    counts = sorted(cost(space.draw(rng, task, Band.parse("2M..200M")), task).flops for _ in range(200))
    assert 5e6 < counts[50] < 15e6, "log-uniform: a quarter below 6.3M"
    assert 35e6 < counts[150] < 100e6, "log-uniform: a quarter above 63M"


def test_a_seed_decides_the_draws() -> None:
    space, task, band = Space.load("digits"), TASKS["digits"], Band.parse("1M..4M")

    def keys(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [space.draw(rng, task, band).key for _ in range(10)]

    assert keys(1) == keys(1)
    assert not set(keys(1)) & set(keys(2))


def test_widths_stage_by_stage_come_from_the_axis() -> None:
    space, rng, seen = read(FREE), random.Random(0), set()
    for _ in range(300):
        network = space.draw(rng, TASK, Band.parse("20K..200K"))
        assert network in space
        seen.add(tuple(stage.width for stage in network.stages))
    assert {width for pair in seen for width in pair} == {8, 12, 20, 44}
    assert {first < second for first, second in seen} == {True, False}, "stages may also become narrower"


@pytest.mark.parametrize("name", presets("spaces"))
def test_presets_come_back_from_yaml(name: str, tmp_path: Path) -> None:
    space = Space.load(name)
    assert (space.name, space.image_size) == (name, TASKS[name].image_size)
    (tmp_path / f"{name}.yaml").write_text(space.to_yaml())
    again = Space.load(tmp_path / f"{name}.yaml")
    assert again == space
    assert again.size == space.size > 10_000


def test_the_imagenet_space_holds_convnext_tiny() -> None:
    space, tiny = Space.load("imagenet"), Arch.load("convnext_tiny")
    assert tiny in space
    assert Arch.load("convnext_small") not in space, "36 blocks"
    assert tiny not in Space.load("cifar")


def stage(**changes: Any) -> Stage:
    return Stage(**({"depth": 1, "width": 8, "kernel": 3, "expansion": 1.0, "layer_scale": None} | changes))


@pytest.mark.parametrize(
    "foreign",
    [
        Arch(stem=Stem(stride=2), stages=(stage(),)),  # one block
        Arch(stem=Stem(stride=4), stages=(stage(depth=2),)),
        Arch(stem=Stem(stride=2), stages=(stage(depth=2, width=16),)),
        Arch(stem=Stem(stride=2), stages=(stage(depth=2, kernel=7),)),
        Arch(stem=Stem(stride=2), stages=(stage(depth=2, expansion=3.0),)),
        Arch(stem=Stem(stride=2), stages=(stage(depth=2, act="relu"),)),
        Arch(stem=Stem(stride=2), stages=(stage(depth=2, layer_scale=1e-6),)),
        Arch(stem=Stem(stride=2, norm="bn"), stages=(stage(depth=2),)),
        Arch(stem=Stem(stride=2), stages=(stage(depth=2),), head=Head(norm="bn")),
        Arch(stem=Stem(stride=2), stages=(stage(), stage(width=24))),  # growth 3
        Arch(stem=Stem(stride=2), stages=(stage(), stage(kernel=5))),  # one kernel for the whole network
        Arch(stem=Stem(stride=2), stages=(stage(depth=3), stage())),  # ratio 3-1
        Arch(stem=Stem(stride=2), stages=(stage(), stage(), stage())),
    ],
)
def test_foreign_networks_are_outside(foreign: Arch) -> None:
    assert Arch(stem=Stem(stride=2), stages=(stage(depth=2),)) in read(TINY)
    assert Arch(stem=Stem(stride=2), stages=(stage(), stage(block="modulation", expansion=2.5))) in read(TINY)
    assert foreign not in read(TINY)


@pytest.mark.parametrize(
    ("band", "part"),
    [
        ("1T..2T", "axes.width (largest network: 160) keeps it out: extend that axis or move the band"),
        ("1K..2K", "axes.stem_stride (smallest network: 4) keeps it out: extend that axis or move the band"),
        ("100K..200K", "axes.width (smallest network: 16) keeps it out: extend that axis or move the band"),
    ],
)
def test_an_infeasible_band_names_the_axis_and_the_reach(band: str, part: str) -> None:
    space, task = Space.load("cifar"), TASKS["cifar"]
    with pytest.raises(InputError) as refusal:
        space.draw(random.Random(0), task, Band.parse(band))
    message = str(refusal.value)
    assert message.startswith(f"flops must be within {space.reach(task)} for space cifar at 32 px, got {band}; axes.")
    assert message.endswith(part)


def test_a_space_that_is_deep_at_least_names_its_depth() -> None:
    deep = read({"stages": [2], "depth": [20, 30], "width": [8], "stem_stride": [2]})
    with pytest.raises(InputError, match=r"axes\.depth \(smallest network: 20\) keeps it out"):
        deep.check_band(Band(1, 20_000), TASK)


def test_a_band_between_two_networks_is_refused(everything: list[Arch]) -> None:
    counts = sorted({cost(network, TASK).flops for network in everything})
    below, above = max(pairwise(counts), key=lambda pair: pair[1] - pair[0])
    band = Band(below + 1, above - 1)
    with pytest.raises(InputError) as refusal:
        read(TINY).draw(random.Random(0), TASK, band, attempts=20)
    assert str(refusal.value) == (
        f"flops must hold a network of space mine, got {band}, where none of 20 draws fell; "
        "widen the band or lower the step of axes.width"
    )


def test_an_image_too_small_is_refused_before_drawing() -> None:
    with pytest.raises(InputError) as refusal:
        Space.load("imagenet").draw(random.Random(0), Task(31), Band.parse("1M..4M"))
    assert str(refusal.value) == (
        "space imagenet: image_size must be at least 32 for stem stride 4 and 4 stages, got 31; "
        "lower axes.stem_stride or axes.stages"
    )
