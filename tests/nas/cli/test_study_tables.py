"""Lines and tables of the terminal: that they say what their numbers are, and show what failed."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from nas.analysis.cost_axes import COUNTED, cost_of
from nas.analysis.data_frames import front_records
from nas.analysis.seed_noise import networks
from nas.analysis.studies import Summary
from nas.analysis.wording import CONVENTION, LEGEND, basis, caption, cost_line, describe, in_words, signed, trial_line
from nas.cli.base import write_table
from nas.cli.front_table import baseline_line, flattery_words, front_table
from nas.cli.study_tables import SEED_OF_A_ROW, studies_table, trials_table
from nas.records.recipe import Recipe
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import Arch, Cost, InputError, Stage, Task, cost
from space.blocks import Block, Bottleneck, ConvNeXt, Modulation
from space.heads import Conv2FormerHead, LinearHead
from space.layers import Layers, Linear
from space.parts import Kind, find_part, options
from space.stems import Patchify, ResNetStem
from tests.dashboard.studies import make_settings
from tests.space.networks import random_arch

SETTINGS = make_settings("mine", recipe=Recipe(images=7000, period_images=1000).to_dict())
NETWORK = Arch(
    stem=Patchify(stride=2), stages=(Stage(depth=2, width=40, block=ConvNeXt(kernel=5)), Stage(depth=3, width=80))
)


@dataclass(frozen=True, kw_only=True)
class OneConv(Block):
    """A block of another package, with no option at all."""

    name = "One"

    def layers(self, stride: int = 1, project: bool = False) -> Layers:
        return {"conv": Linear("out", "out")}


def trial(number: int, flops: int, accuracy: float) -> Trial:
    plain = NETWORK.to_dict()
    return Trial(
        number=number, state="complete", flops=flops, params=12_345, accuracy=accuracy, seconds=3.14, images=7000,
        arch=plain,
    )  # fmt: skip


TRIALS = [trial(0, 1_000_000, 0.5), trial(1, 1_500_000, 0.9), trial(2, 2_000_000, 0.8), trial(3, 4_000_000, 0.95)]


def show(table: Table, width: int = 200) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    write_table(console, table)
    return console.export_text()


def rows(table: Table) -> list[list[str]]:
    """The cells of a table's body."""
    return [list(map(str, cells)) for cells in zip(*(column.cells for column in table.columns), strict=True)]


def test_a_caption_says_split_count_seeds_images_and_convention() -> None:
    text = caption(replace(SETTINGS, data=replace(SETTINGS.data, validation=12_345)))
    trained = "7,000 images (6.5 epochs of 1,077)"
    for part in ("top-1", "digits's validation split", "n = 12,345", "1 seed per network", trained, CONVENTION):
        assert part in text
    assert CONVENTION == "FLOPs: conv + linear multiply-accumulates, batch 1"


@pytest.mark.parametrize("build", [front_table, trials_table])
def test_every_table_of_a_study_says_what_its_numbers_are(
    build: Callable[[Sequence[Trial], Settings, bool], Table],
) -> None:
    seeds = SEED_OF_A_ROW if build is trials_table else "1 seed per network"
    for width in (60, 200):
        for wide in (False, True):
            words = " ".join(show(build(TRIALS, SETTINGS, wide), width).split())
            assert all(part in words for part in basis(SETTINGS, seeds).rstrip(".").split(". "))
            assert (LEGEND in words) is wide
            assert ("in full: nas show mine --trial N" in words) is not wide


def test_the_front_rises_and_marks_its_knee_and_best() -> None:
    table = front_table(TRIALS, SETTINGS)
    assert show(table).startswith("mine: front of 4 trials in 1M..4M FLOPs\nhypervolume 0.")
    words = in_words(NETWORK)
    assert rows(table) == [
        ["0", "50.00%", "1M", "12.3K", words, ""],
        ["1", "90.00%", "1.5M", "12.3K", words, "knee"],
        ["3", "95.00%", "4M", "12.3K", words, "best"],
    ]
    assert rows(front_table(TRIALS, SETTINGS, wide=True))[0] == [
        "0",
        "50.00%",
        "1M",
        "12.3K",
        "3.1",
        describe(NETWORK),
        "",
    ]


FEW = [replace(row, key=f"key {row.number}") for row in TRIALS]
FEW += [replace(FEW[1], number=4, accuracy=0.88), replace(FEW[3], number=5, accuracy=0.92)]
REPEATED = [*FEW, replace(FEW[1], number=6, accuracy=0.89), replace(FEW[3], number=7, accuracy=0.91)]


def test_a_front_at_chance_says_so() -> None:
    low = [replace(row, accuracy=0.1) for row in TRIALS]
    low[-1] = replace(low[-1], accuracy=0.11)
    guess = (
        "best of 4 is not told from chance: guessing the largest class gives 10%, n = 360; train for longer (--images)"
    )
    for wide in (False, True):
        assert guess in " ".join(show(front_table(low, SETTINGS, wide)).split())
        assert "chance" not in show(front_table(TRIALS, SETTINGS, wide))


def test_a_study_of_one_seed_says_that_it_has_no_interval() -> None:
    text = show(front_table(TRIALS, SETTINGS))
    assert "near ones may be ties; the split alone has a standard error of " in " ".join(text.split())
    for word in ("±", "on front", "tie with"):
        assert word not in text


def test_a_front_of_repeated_networks_shows_mean_interval_seeds_probability_and_ties() -> None:
    table = front_table(REPEATED, SETTINGS, wide=True)
    found = networks(REPEATED)
    assert show(table, 240).startswith("mine: front of 4 networks (8 trainings) in 1M..4M FLOPs\nhypervolume 0.")
    half = [100 * row.half for row in found.front if row.half]
    chances = [f"{row.probability:.0%}" for row in found.front]
    marks = ["", "knee", "best, tie with trial 1"]
    expected = zip(("0", "1", "3"), ("50.00", "89.00", "92.67"), half, "133", chances, marks, strict=True)
    assert [(row[0], row[1], row[2], row[4], row[-1]) for row in rows(table)] == [
        (number, f"{mean} ± {width:.2f}%", n, chance, mark) for number, mean, width, n, chance, mark in expected
    ]
    narrow = rows(front_table(REPEATED, SETTINGS))
    assert [row[:3] for row in narrow] == [row[:3] for row in rows(table)]
    assert [row[-1] for row in narrow] == ["", "knee", "best, tie"]


def test_tables_fit_eighty_characters() -> None:
    """Networks of four stages too, on a front with intervals."""
    widest = Arch(
        stages=tuple(
            Stage(depth=2, width=w, block=Modulation(kernel=k))
            for w, k in zip((16, 64, 96, 160), (3, 11, 5, 7), strict=True)
        )
    )
    longer = [replace(row, arch=widest.to_dict(), number=row.number + 100) for row in REPEATED]
    builds: list[Callable[..., Table]] = [trials_table, *(partial(front_table, by=by) for by in COUNTED)]
    for build in builds:
        lines = show(build(longer, SETTINGS), 80).splitlines()
        body = lines[next(i for i, line in enumerate(lines) if "───" in line) + 1 :]
        count = len(rows(build(longer, SETTINGS)))
        assert all(re.match(r" +10\d ", line) for line in body[:count]), "a line a network"


# The cheapest in FLOPs has the most parameters, and the best the fewest but one.
HEAVY = [replace(row, params={0: 900_000, 1: 20_000, 3: 30_000}.get(row.number, row.params)) for row in TRIALS]


def test_over_another_cost_front_knee_and_columns_are_of_that_cost() -> None:
    table = front_table([*HEAVY, replace(HEAVY[3], number=4, accuracy=0.97, params=300_000)], SETTINGS, by="params")
    assert show(table).startswith("mine: front of 5 trials in 1M..4M FLOPs\nover parameters\n")
    words = in_words(NETWORK)
    assert [column.header for column in table.columns][2:4] == ["params", "FLOPs"]
    assert rows(table) == [
        ["2", "80.00%", "12.3K", "2M", words, ""],
        ["1", "90.00%", "20K", "1.5M", words, ""],
        ["3", "95.00%", "30K", "4M", words, "knee"],
        ["4", "97.00%", "300K", "4M", words, "best"],
    ]
    over = front_table([replace(row, activations=1000 + row.number) for row in HEAVY], SETTINGS, by="activations")
    assert "over activations (outputs of conv and linear, batch 1)" in show(over)
    assert [row[:3] for row in rows(over)] == [["0", "50.00%", "1K"], ["1", "90.00%", "1K"], ["3", "95.00%", "1K"]]


def test_a_study_that_minimises_another_cost_has_its_front_and_hypervolume_over_it() -> None:
    lean = replace(SETTINGS, minimize="params", params=(10_000, 40_000))
    heavy = [replace(HEAVY[0], accuracy=0.4, params=10_000), replace(HEAVY[1], accuracy=0.6, params=20_000)]
    table = front_table(heavy, lean)
    assert show(table).startswith(
        "mine: front of 2 trials in 1M..4M FLOPs, 10K..40K parameters\nhypervolume 0.5000: the area under it over log parameters, 0 to 1\n"
    )
    assert [row[2] for row in rows(table)] == ["10K", "20K"]
    said = baseline_line(heavy, lean, heavy[:1], replace(lean, name="mine-random", sampler="random"), cost_of(lean))
    assert "2 of 2 networks on the front, hypervolume 0.5000 over parameters," in said
    assert "1 of 1 networks on the front, hypervolume 0.4000 over parameters," in said
    assert "over FLOPs (conv" in show(front_table(heavy, lean, by="flops"))


def test_over_another_cost_ties_and_probabilities_are_of_that_front() -> None:
    heavy = [replace(row, params={1: 40_000, 3: 30_000}.get(row.number, row.params)) for row in REPEATED]
    heavy += [replace(heavy[0], number=9, key="key 9", accuracy=0.93, params=50_000)]
    table = front_table(heavy, SETTINGS, wide=True, by="params")
    found = networks(heavy, cost=COUNTED["params"])
    assert [(row[0], row[4], row[-1]) for row in rows(table)] == [
        (str(row.trial.number), f"{row.probability:.0%}", mark)
        for row, mark in zip(found.front, ["", "knee", "best, tie with trial 3"], strict=True)
    ]
    assert "networks' posterior given parameters and seeds." in " ".join(show(table, 240).split())
    records = front_records(heavy, [replace(TRIALS[0], params=35_000, accuracy=0.7)], COUNTED["params"])
    assert [(row["trial"], row["tie"], row["baseline_accuracy"]) for row in records] == [
        (2, None, None), (3, None, None), (9, 3, 0.7),
    ]  # fmt: skip


def test_the_caption_of_intervals_says_what_they_cover_and_leave_out() -> None:
    noise = networks(REPEATED).noise
    assert noise
    text = " ".join(show(front_table(REPEATED, SETTINGS, wide=True), 240).split())
    for part in (
        "mean top-1 of n seeds on digits's validation split of 360 images",
        f"each by itself (Student's t, 4 degrees of freedom; the standard deviation of one training, {100 * noise.sd:.2f}",
        "tie: within noise of the next cheaper member, 95% for all 2 neighbours together (Bonferroni).",
        "The split's sampling error, 1.37 points at the best, is not in it",  # sqrt(.9267 * .0733 / 360)
        "The front's means are ",
        CONVENTION,
    ):
        assert part in text


def test_two_further_seeds_are_too_few_for_intervals_and_ties() -> None:
    text = " ".join(show(front_table(FEW, SETTINGS), 240).split())
    assert "±: too few for an interval: 2 seeds, and 4 are needed beyond the first of a network (--repeats)." in text
    assert "tie" not in text
    assert "89.00% 2 " in text, "the mean and its seeds stay"
    assert [row["interval"] for row in front_records(FEW)] == [None] * 3


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (0.034, "Chosen as the highest, the front's means flatter by about 0.03 points."),
        (0.0049, "Chosen as the highest, the front's means may flatter, here by less than 0.01 points."),
        (-0.0012, "Chosen as the highest, the front's means may flatter, here by less than 0.01 points."),
        (-0.1, "The front's means are 0.10 points lower than further seeds are expected to give."),
    ],
)
def test_flattery_is_said_whatever_its_sign_and_size(points: float, words: str) -> None:
    assert flattery_words(points) == words


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(0.0004, 3, "0.000"), (-0.0004, 3, "0.000"), (-0.0006, 3, "-0.001"), (2, 1, "+2.0")]
)
def test_what_rounds_to_nothing_has_no_sign(value: float, digits: int, text: str) -> None:
    assert signed(value, digits) == text


def test_rivals_off_the_front_are_named() -> None:
    rivals = [replace(REPEATED[1], number=9, key="rival", flops=1_500_001, accuracy=0.889)]
    text = " ".join(show(front_table([*REPEATED, *rivals], SETTINGS, wide=True), 240).split())
    assert "Rivals off the front: trial 9 (" in text


def test_records_hold_what_the_table_shows_and_what_the_baseline_reaches() -> None:
    plain = front_records(TRIALS)
    assert [row["trial"] for row in plain] == [0, 1, 3]
    assert {row[name] for row in plain for name in ("interval", "expected", "probability", "baseline_accuracy")} == {
        None
    }
    records = front_records(REPEATED, [trial(0, 1_200_000, 0.7), trial(1, 4_000_001, 0.99)])
    assert [row["accuracy"] for row in records] == pytest.approx([0.5, 0.89, 0.9266667])
    assert [row["seeds"] for row in records] == [1, 3, 3]
    assert [row["tie"] for row in records] == [None, None, 1]
    assert [row["baseline_accuracy"] for row in records] == [None, 0.7, 0.7]
    for row in records:
        assert row["interval"][0] < row["accuracy"] < row["interval"][1]
        assert 0 <= row["probability"] <= 1


def test_a_baseline_is_set_beside_with_the_training_of_both() -> None:
    random = replace(SETTINGS, name="mine-random", sampler="random")
    failed = Trial(number=2, state="failed", seconds=2.0)
    own, base = " ".join(baseline_line(REPEATED, SETTINGS, [*TRIALS[:2], failed], random).split()).split(" baseline, ")
    assert own.startswith("mine: 3 of 4 networks on the front, hypervolume 0.")
    assert own.endswith(", 8 trainings on 56,000 images, 25 s of training")
    assert base.startswith("random search, mine-random: 2 of 2 networks on the front, hypervolume 0.")
    assert base.endswith(", 3 trainings (1 not completed) on 14,000 images, 8 s of training")


def test_over_another_cost_a_baseline_is_set_beside_by_what_its_front_reaches() -> None:
    random = replace(SETTINGS, name="mine-random", sampler="random")
    own, base = baseline_line(HEAVY, SETTINGS, HEAVY[:1], random, COUNTED["params"]).split("\nbaseline, ")
    assert own == (
        "mine: 3 of 4 networks on the front,\n  80.00% at 12.3K parameters to 95.00% at 30K parameters,\n"
        "  4 trainings on 28,000 images, 13 s of training"
    )
    assert base.startswith(
        "random search, mine-random:\n  1 of 1 networks on the front,\n  50.00% at 900K parameters,\n"
    )
    assert "none is trained" in baseline_line(HEAVY, SETTINGS, [], random, COUNTED["params"])


def test_a_front_of_nothing_is_an_empty_table() -> None:
    table = front_table([], SETTINGS)
    assert "front of 0 trials" in show(table)
    assert rows(table) == []


def test_a_failed_trial_shows_its_reason() -> None:
    reason = "RuntimeError: shape [conv] of [/b] is wrong [2, 3]"
    failed = Trial(number=4, state="failed", reason=reason, flops=2_000_000, params=1_000, arch=NETWORK.to_dict())
    waiting = Trial(number=5, state="waiting")
    narrow, table = (rows(trials_table([*TRIALS, failed, waiting], SETTINGS, wide)) for wide in (False, True))
    assert narrow[0] == ["0", "50.00%", "1M", "3.1", "complete", in_words(NETWORK)]
    assert narrow[4] == ["4", "", "2M", "", "failed", reason]
    assert table[0] == ["0", "50.00%", "1M", "12.3K", "3.1", "complete", describe(NETWORK)]
    assert table[4] == ["4", "", "2M", "1K", "", "failed", reason]
    assert table[5] == ["5", "", "", "", "", "waiting", ""]


def test_a_line_of_a_trial() -> None:
    start = ["trial", "7", "96.10%", "2.31M", "FLOPs", "12.3K", "params", "3.1", "s"]
    assert trial_line(trial(7, 2_312_000, 0.961)).split() == [*start, *describe(NETWORK).split()]
    failed = trial_line(replace(trial(8, 2_000_000, 0.0), accuracy=None, state="failed", reason="loss is nan"))
    assert "failed: loss is nan" in failed
    assert trial_line(replace(trial(9, 2_000_000, 0.9), repeat_of=7)).endswith("  (trial 7 with another seed)")


def test_a_network_in_a_line() -> None:
    assert describe(NETWORK) == "stem 2 | c2x40k5 c3x80k7 | ln gelu e4, layer_scale 1e-06"
    mixed = Arch(
        stem=ResNetStem(),
        stages=(
            Stage(depth=1, width=8, block=Modulation(kernel=3, expansion=2.5, act="silu")),
            Stage(depth=1, width=16, block=ConvNeXt(norm="bn", act="silu")),
            Stage(depth=2, width=8, block=Bottleneck()),
        ),
        head=Conv2FormerHead(),
    )
    assert describe(mixed) == (
        "stem resnet, norm bn | m1x8k3 c1x16k7 b2x8:32k3 | ln/bn/bn silu/silu/relu e2.5/4/4, "
        "layer_scale 1e-06/1e-06/none | head conv2former, norm ln"
    )
    unusual = Arch(
        stem=Patchify(act="relu"),
        stages=(
            Stage(depth=1, width=8, block=ConvNeXt(grn=True)),
            Stage(depth=1, width=8, block=Modulation(fusion="sum", layer_scale=None)),
        ),
        head=LinearHead(norm_first=True), drop_path=0.1,
    )  # fmt: skip
    assert describe(unusual) == (
        "stem 4, act relu | c1x8k7 m1x8k11 | ln gelu e4, layer_scale 1e-06/none, grn yes/-, fusion -/sum, "
        "drop_path 0.1 | head linear, norm_first"
    )


@given(st.randoms(use_true_random=False))
def test_networks_that_differ_are_described_apart(rng: random.Random) -> None:
    base = random_arch(rng).to_dict()
    base["stages"][0]["downsample"] = "separate"  # it has no effect there
    part = rng.choice([base["stem"], base["head"], *base["stages"]])
    kind: Kind = "stem" if part is base["stem"] else "head" if part is base["head"] else "block"
    cls = find_part(kind, part.get("kind") or part["block"])
    name, field = rng.choice(sorted(options(cls).items()))
    before = describe(Arch.from_dict(base))
    for value in field.metadata["rule"].examples:
        try:
            other = Arch.from_dict({**base, **_changed(base, part, name, value)})
        except InputError:
            continue  # parts that do not go together
        assert (describe(other) == before) is (other.to_dict() == base)


def _changed(base: dict[str, Any], part: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    new = {**part, name: value}
    return {
        "stem": new if part is base["stem"] else base["stem"], "head": new if part is base["head"] else base["head"],
        "stages": [new if each is part else each for each in base["stages"]],
    }  # fmt: skip


def test_a_network_in_few_words() -> None:
    assert in_words(NETWORK) == "ConvNeXt 2-3, 40-80 ch, k5-7, ln"
    mixed = Arch(
        stages=(Stage(depth=1, width=8, block=Modulation(norm="bn")), Stage(depth=2, width=8, block=Bottleneck()))
    )
    assert in_words(mixed) == "mixed 1-2, 8-32 ch, k3-11, bn"
    assert in_words(Arch(stages=(Stage(depth=2, width=8, block=OneConv()),))) == "One 2, 8 ch"
    assert in_words(Arch(stages=(Stage(depth=2, width=8, block=Modulation(kernel=5)),))) == "modulation 2, 8 ch, k5, ln"


def test_a_block_without_kernel_norm_and_act_is_said_without_them() -> None:
    plain, dense = Stage(depth=2, width=8, block=OneConv()), Stage(depth=1, width=8)
    assert describe(Arch(stages=(plain,))) == "stem 4 | O2x8"
    assert describe(Arch(stages=(plain, dense))) == ("stem 4 | O2x8 c1x8k7 | -/ln -/gelu e-/4, layer_scale -/1e-06")


def test_studies_say_their_budget_or_what_is_wrong() -> None:
    moment = datetime(2025, 11, 21, 2, 0, tzinfo=UTC)
    good = Summary(
        name="mine", folder=Path("mine"), state="idle", settings=SETTINGS, complete=30, failed=2, best=0.967,
        seeds=3, updated=moment,
    )  # fmt: skip
    broken = Summary(name="old [b]", folder=Path("old"), state="broken", problem="journal [/x] is damaged in line 3")
    table = rows(studies_table([good, broken]))
    local = moment.astimezone().strftime("%Y-%m-%d")
    assert table[0] == ["mine", "idle", "30, 2 failed", "96.70% (3)", "digits", "1M..4M", local]
    wide = replace(SETTINGS, flops_low=5_807_170, flops_high=10_085_600)
    now = datetime.now(UTC)
    later = rows(studies_table([replace(good, settings=wide, updated=now)]))
    assert later[0][-2:] == ["5.81M..10.1M", now.astimezone().strftime("today %H:%M")]
    assert table[1] == ["old [b]", "broken", "0", "", "", "journal [/x] is damaged in line 3", ""]
    assert "journal [/x] is damaged" in show(studies_table([good, broken]))
    failed = replace(good, name="[b]late", state="error", problem="disk [/x] is full")
    said = show(studies_table([good, failed]))
    assert "[b]late: its last search ended with an error: disk [/x] is full" in said
    assert "best: accuracy of the most accurate network" in said, "the legend stays"


def test_a_cost_in_full_says_its_conventions() -> None:
    tiny = Arch.load("convnext_tiny")
    assert cost_line(cost(tiny, Task()), tiny.key, Task()).splitlines()[:2] == [
        "flops 4,455,531,264 (4.46G; conv + linear multiply-accumulates, batch 1, 224 px, 3 channels, 1,000 classes)",
        "params 28,589,128 (28.6M)",
    ]
    assert cost_line(Cost(1, 2, 3456), "abc", Task(8, 1, 1)).splitlines()[2:] == [
        "activations 3,456 (3.46K; outputs of conv and linear, batch 1)",
        "key abc",
    ]
