"""Choices that a study proposes to drop: against numbers worked out by hand, and by chance alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t as student  # type: ignore[import-untyped]

from nas.analysis.design_choices import Traits
from nas.analysis.importance import FEWEST
from nas.analysis.narrowing import narrowed_space, propose_narrowing
from space import InputError, Space

SPACE = Space.load("convnext_or_modulation_32")


def test_an_effect_is_the_difference_to_the_best_at_equal_flops() -> None:
    """A balanced design: bn is worth .04 more than ln, FLOPs move accuracy too, and noise is orthogonal to both."""
    norm, size, noise = np.array(np.meshgrid([-1, 1], [-1, 0, 1], [-1, 1], [0, 1])).reshape(4, -1)[:3]
    accuracy = 0.5 + 0.02 * norm + 0.05 * size + 0.01 * size**2 + 0.01 * noise
    rows: list[Traits] = [{"norm": {"bn" if one > 0 else "ln": 1.0}} for one in norm]
    found = propose_narrowing(SPACE, rows, accuracy, 1e6 * np.exp(size))
    (row,) = found.effects
    assert (row.axis, row.best, row.dropped, found.tests, found.networks) == ("norm", "bn", ("ln",), 1, 24)
    (effect,) = row.others
    assert effect.value == pytest.approx(-0.04)
    spread = 0.01 * math.sqrt(24 / 20) * math.sqrt(2 / 12)  # 24 networks, 4 columns; 12 of each choice
    assert effect.half == pytest.approx(student.ppf(0.975, 20) * spread)
    assert found.kept(SPACE) == {"norm": ["bn"]}
    assert {"kernel", "act", "width", "depth"} <= set(found.untested), "which the networks do not show"


def test_a_network_counts_by_its_share_of_blocks() -> None:
    """Half of the blocks with a kernel of 11, half of its effect."""
    rng = np.random.default_rng(0)
    share = rng.choice([0.0, 0.25, 0.5, 1.0], 60)
    rows: list[Traits] = [{"kernel": {"3": 1 - s, "11": s} if 0 < s < 1 else {"11" if s else "3": 1.0}} for s in share]
    accuracy = 0.5 - 0.08 * share + 0.001 * rng.normal(size=60)
    (row,) = propose_narrowing(SPACE, rows, accuracy, np.exp(rng.uniform(14, 15, 60))).effects
    assert (row.best, row.dropped, row.few) == (3, (11,), (5, 7, 9)), "what few networks have stays"
    assert row.others[0].value == pytest.approx(-0.08, abs=0.003)


def test_a_choice_that_just_enough_networks_have_is_judged() -> None:
    """Five networks with a tenth of their blocks each: 4.999999999999999 networks in floating point."""
    rows: list[Traits] = [{"norm": {"ln": 0.9, "bn": 0.1} if i < 5 else {"ln": 1.0}} for i in range(25)]
    rng = np.random.default_rng(0)
    (row,) = propose_narrowing(SPACE, rows, rng.normal(0.5, 0.01, 25), np.exp(rng.uniform(14, 15, 25))).effects
    assert (row.axis, len(row.others), row.few) == ("norm", 1, ())


def test_chance_alone_rarely_drops_a_choice() -> None:
    """Over all choices of a space together 5%, although each is held against the one that came out best."""
    wrong = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows: list[Traits] = [
            {name: {str(rng.choice(words)): 1.0} for name, words in CHOICES.items()} for _ in range(60)
        ]
        found = propose_narrowing(SPACE, rows, rng.normal(0.5, 0.02, 60), np.exp(rng.normal(14, 0.5, 60)))
        assert found.tests == 10 + 3 + 1 + 3
        wrong += bool(found.kept(SPACE))
    assert wrong <= 9


CHOICES = {
    "kernel": ["3", "5", "7", "9", "11"], "expansion": ["2", "3", "4"], "norm": ["ln", "bn"],
    "act": ["gelu", "relu", "silu"],
}  # fmt: skip


def test_too_few_networks_propose_nothing() -> None:
    rows: list[Traits] = [{"norm": {"ln": 1.0}}] * (FEWEST - 1)
    with pytest.raises(InputError, match="narrow-from must be a study of 20 finished networks at least, got 19"):
        propose_narrowing(SPACE, rows, np.ones(19), np.ones(19))


def test_the_narrowed_space_is_one_of_its_own() -> None:
    found = narrowed_space(SPACE, {"kernel": [3, 5], "norm": ["bn"]}, "few")
    assert (found.name, found.axes["kernel"].values, found.axes["norm"].values) == ("few", (3, 5), ("bn",))
    assert found.axes["kernel"].each_stage
    assert "stem.pool" not in narrowed_space(Space.load("roadmap_32"), {"stem": ["patchify"]}, "few").axes
