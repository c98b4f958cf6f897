"""Where another study is ahead of a front."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from nas.analysis.cost_axes import FLOPS, PARAMETERS
from nas.analysis.leads import leads, leads_words
from nas.analysis.pareto import flops, pareto_front, score
from nas.records.scores import ClassCounts
from nas.records.trial import Trial
from tests.nas.analysis.test_against_front import trial

MINE = [trial(0, 0.80, 1_000_000, "a"), trial(1, 0.85, 2_000_000, "b"), trial(2, 0.90, 4_000_000, "c")]


def within(limit: int, trials: Sequence[Trial]) -> float:
    return max((score(each) for each in trials if flops(each) <= limit), default=0.0)


def test_by_brute_force_at_every_limit() -> None:
    rng = random.Random(0)
    for _ in range(100):
        mine, others = (
            [trial(i, rng.randint(50, 70) / 100, rng.randint(1, 30) * 100_000, f"{who}{i}") for i in range(6)]
            for who in "ab"
        )
        front = pareto_front(mine)
        found = leads(front, others)
        for limit in range(flops(front[0]), 3_200_000, 50_000):
            here = [lead for lead in found if lead.low <= limit < (lead.high or 4_000_000)]
            apart = within(limit, others) - within(limit, mine)
            assert len(here) == (apart > 0)
            assert all(apart <= lead.points for lead in here)
        for lead in found:
            least = max(flops(lead.rival), flops(lead.member))
            assert lead.low <= least < (lead.high or 4_000_000)
            assert lead.points == within(least, others) - within(least, mine)


def test_in_words() -> None:
    assert leads_words(leads(MINE, MINE), "Random search", FLOPS) == "", "an equal is not ahead"
    assert leads(MINE, []) == []
    rival = trial(7, 0.87, 1_500_000, "r")
    assert leads_words(leads(MINE, [rival]), "Random search", FLOPS) == (
        "Random search is ahead from 1.5M to 4M FLOPs: its best network within such a limit is up to 7.0 points "
        "more accurate: trial 7 (87.00% at 1.5M) against trial 0 (80.00% at 1M). One run each: seeds may tell otherwise."
    )
    last = trial(8, 0.95, 5_000_000, "s")
    both = leads_words(leads(MINE, [rival, last]), "Random search", FLOPS)
    assert " is ahead from 1.5M to 4M FLOPs and from 5M FLOPs on: " in both
    everywhere = leads_words(leads(MINE, [replace(last, flops=500_000)]), "Random search", FLOPS)
    assert " is ahead from 1M FLOPs on: " in everywhere, "below there is nothing to compare"


def test_what_is_near_is_told_apart() -> None:
    mine = [trial(0, 0.6814, 3_251_000, "a"), trial(1, 0.6816, 3_254_000, "b")]
    said = leads_words(leads(mine, [trial(7, 0.6816, 3_251_000, "r")]), "Random search", FLOPS)
    assert (
        "ahead from 3.251M to 3.254M FLOPs: its best network within such a limit is less than 0.1 points more" in said
    )


def test_what_the_split_itself_may_make_is_said() -> None:
    few = replace(trial(7, 0.84, 1_500_000, "r"), counts=ClassCounts((10, 11), (12, 13)))
    many = replace(few, counts=ClassCounts((4_200, 4_200), (5_000, 5_000)))
    said = [leads_words(leads(MINE, [each]), "Random search", FLOPS) for each in (few, many)]
    assert [text.rpartition("otherwise.")[2] for text in said] == [
        " The split alone has a standard error of 7.33 points.",
        "",
    ]


def test_of_many_ranges_their_number() -> None:
    mine = [trial(i, 0.5 + i / 50, (i + 1) * 1_000_000, f"m{i}") for i in range(9)]
    others = [trial(i, 0.51 + i / 50, (i + 1) * 1_000_000 + 500_000, f"o{i}") for i in range(8)]
    said = leads_words(leads(mine, others), "Random search", FLOPS)
    assert said.startswith("Random search is ahead in 8 ranges from 1.5M to 9M FLOPs: ")


def test_over_another_cost() -> None:
    member, rival = replace(MINE[1], params=5000), replace(trial(7, 0.87, 9_000_000, "r"), params=4000)
    assert [lead.low for lead in leads([member], [rival])] == [9_000_000]
    (lead,) = leads([member], [rival], PARAMETERS.of)
    assert (lead.low, lead.high, lead.rival, lead.member) == (5000, None, rival, member)
    assert leads([member], [replace(rival, params=None)], PARAMETERS.of) == []
