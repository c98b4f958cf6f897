"""A search for an accuracy: what is drawn once a network has it, what makes sure of it, when it ends, what is said."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.analysis.accuracy_goal import MISSES, SAVED, AccuracyGoal, Reached
from nas.records.extent import GOAL_SEEDS, Extent
from nas.records.settings import Settings
from nas.records.trial import ENDED, Trial
from nas.searching.loop import Search, Watch
from nas.searching.plan import SearchPlan
from nas.storage.reader import Reader
from nas.storage.study_folder import extent_to_join
from nas.training.brief import Verdict
from nas.training.trainer import Finished, Result
from space import Arch, Band, InputError, Task, cost
from tests.brief import measure_briefly
from tests.forked import fork_what_is_started
from tests.nas.conftest import Run
from tests.nas.made_up import make_settings
from tests.nas.searching.test_latency_budget import model_file
from tests.nas.searching.test_loop import digits, make  # noqa: F401

BAND = Band.parse("20K..200K")
ENDS = {"flops_low": BAND.low, "flops_high": BAND.high}
SETTINGS = make_settings(**ENDS)
GOAL = AccuracyGoal(0.9, SETTINGS)


def trial(number: int, flops: int, accuracy: float | None, **more: object) -> Trial:
    state = "complete" if accuracy is not None else "running"
    words = {"number": number, "state": state, "flops": flops, "accuracy": accuracy, "key": str(number), **more}
    return Trial(**words)  # type: ignore[arg-type]


def seed_of(first: Trial, number: int, accuracy: float | None) -> Trial:
    return trial(number, first.flops or 0, accuracy, key=first.key, repeat_of=first.number)


DEAR, CHEAP = trial(0, 150_000, 0.95), trial(1, 100_000, 0.92)
CHEAPER = [trial(10 + i, 50_000, 0.8, below=98_000) for i in range(MISSES)]


def reached(*trials: Trial) -> Reached:
    found = GOAL.reached(trials)
    assert found
    return found


def test_the_cheapest_network_whose_mean_has_it_is_reached() -> None:
    assert GOAL.reached([trial(0, 30_000, 0.89)]) is None
    found = reached(DEAR, CHEAP)
    assert (found.point.trial.number, found.below) == (1, round((1 - SAVED) * 100_000))
    lucky = reached(DEAR, CHEAP, seed_of(CHEAP, 2, 0.86))
    assert lucky.point.trial.number == 0, "the mean of the other is .89"


def test_what_reaches_it_gets_two_further_seeds() -> None:
    known = [DEAR, CHEAP]
    for number in range(2, 1 + GOAL_SEEDS):
        assert reached(*known).is_unsure
        known.append(seed_of(CHEAP, number, 0.91))
    assert not reached(*known).is_unsure
    assert not reached(DEAR, CHEAP, seed_of(CHEAP, 2, None), seed_of(CHEAP, 3, None)).is_unsure, "they train"


def test_a_seed_that_failed_is_tried_again_but_not_for_ever() -> None:
    failed = [trial(20 + i, 100_000, None, key="1", repeat_of=1, state="failed") for i in range(2 * GOAL_SEEDS)]
    assert reached(CHEAP, *failed[:2]).is_unsure
    assert not reached(CHEAP, *failed).is_unsure


def test_it_is_over_once_enough_cheaper_ones_miss_it() -> None:
    assert not reached(DEAR, CHEAP, *CHEAPER[1:]).is_over
    assert reached(DEAR, CHEAP, *CHEAPER).is_over
    before = [trial(10 + i, 50_000, 0.8) for i in range(MISSES)]
    assert not reached(DEAR, CHEAP, *before).is_over, "none of them was drawn for it"
    assert reached(trial(0, 20_300, 0.95)).is_over, f"none of the band saves {SAVED:.0%}"


def test_a_network_that_loses_it_again_leaves_the_one_before() -> None:
    """What was drawn to be cheaper than the one that lost it says little of what lies between the two."""
    lost = [seed_of(CHEAP, 2, 0.85), seed_of(CHEAP, 3, 0.85)]
    found = reached(DEAR, CHEAP, *lost, *CHEAPER)
    assert (found.point.trial.number, found.misses, found.is_over) == (0, 0, False)
    drawn = [trial(30 + i, 120_000, 0.8, below=147_000) for i in range(MISSES)]
    assert reached(DEAR, CHEAP, *lost, *CHEAPER, *drawn).is_over


def test_of_equally_cheap_ones_the_more_accurate_is_reached() -> None:
    """As `nas front` and `nas export` have it."""
    assert reached(trial(0, 100_000, 0.91), trial(1, 100_000, 0.93)).point.trial.number == 1


def test_an_accuracy_is_had_as_it_is_shown() -> None:
    """91.09% of a front is 91.086% in truth."""
    goal, shown = AccuracyGoal(0.9109, SETTINGS), trial(0, 100_000, 327 / 359)
    assert goal.reached([shown])
    assert not goal.reached([trial(0, 100_000, 0.9108)])


def test_what_is_left_to_train() -> None:
    wanted = Extent(12, 24, 0.9)
    assert GOAL.left([trial(0, 30_000, 0.89)], wanted) == 11 + GOAL_SEEDS - 1
    assert GOAL.left([DEAR, CHEAP], wanted) == 10 + GOAL_SEEDS - 1
    assert GOAL.left([DEAR, CHEAP], Extent(12, 0, 0.9)) == 10, "no further seeds are to be spent"
    seeds = [seed_of(CHEAP, 2, 0.91), seed_of(CHEAP, 3, 0.91)]
    assert GOAL.left([DEAR, CHEAP, *CHEAPER, *seeds], wanted) == 0
    assert GOAL.left([DEAR, CHEAP, *CHEAPER], wanted) == GOAL_SEEDS - 1


def test_words_tell_how_far_it_is() -> None:
    assert GOAL.words([]) == "accuracy: 90.00% is not reached: no network was trained to its end"
    assert GOAL.words([trial(0, 30_000, 0.89)]).startswith(
        "accuracy: 90.00% is not reached; the nearest is trial 0, 89.0"
    )
    assert GOAL.words([CHEAP]) == "accuracy: 90.00% is reached by trial 1, 92.00%, 1 seed, 100K FLOPs"


def test_the_last_words_tell_why_it_ended() -> None:
    assert GOAL.final_words([CHEAP, *CHEAPER], 60).endswith("FLOPs; 10 networks drawn to be cheaper missed it")
    assert GOAL.final_words([trial(0, 20_300, 0.95)], 60).endswith("; the budget holds none that costs 2% less")
    assert GOAL.final_words([CHEAP], 1).endswith("FLOPs; go on with more trials to look for a cheaper one")
    assert GOAL.final_words([CHEAP], 60).endswith("FLOPs; the space holds no further network that is cheaper")
    low = trial(0, 30_000, 0.89)
    assert GOAL.final_words([low], 1) == f"{GOAL.words([low])}; go on with more trials, or ask for less"
    assert GOAL.final_words([low], 60) == f"{GOAL.words([low])}; the space holds no further network: ask for less"


@pytest.mark.parametrize(
    ("changes", "low", "high"),
    [({}, 20_000, 99), ({"minimize": "params"}, 1, 99), ({"minimize": "params", "params": (50, 70)}, 50, 70)],
)
def test_a_budget_of_what_is_cheaper(changes: dict[str, Any], low: int, high: int) -> None:
    settings = make_settings(**ENDS, **changes)
    assert settings.cheaper_than(None) is settings
    found = settings.cheaper_than(25_000 if not changes else 100)
    assert found
    band = found.minimised_band
    assert band == Band(low, 24_999 if not changes else high)
    assert found.band == (band if not changes else settings.band)
    assert settings.cheaper_than(low) is None


def known(worth: Callable[[Arch], float]) -> Callable[..., Result]:
    """A trainer that needs no time; further seeds are as good as the first."""

    def train(arch: Arch, seed: int, on_period: Callable[..., Verdict], abandoned: Callable[[], bool]) -> Result:
        return Finished(worth(arch), 0.01, False, b"")

    return train


def flops_of(arch: Arch) -> int:
    return cost(arch, Task(8, 1, 10)).flops


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "random"])
def test_once_it_is_reached_only_cheaper_networks_are_drawn(
    make: Callable[..., Search],  # noqa: F811
    sampler: str,
) -> None:
    """What is more accurate costs more: all from 60K FLOPs on have it."""
    search = make(sampler=sampler)
    search.trainer = known(lambda arch: 0.5 + 0.5 * (flops_of(arch) >= 60_000))
    assert search.run(60, 10, 0.9)
    trials = search.reader.trials()
    goal = AccuracyGoal(0.9, search.settings)
    found = goal.reached(trials)
    assert found
    assert found.point.seeds == GOAL_SEEDS
    assert 60_000 <= (found.point.trial.flops or 0) < 90_000
    assert found.is_over
    drawn = [t for t in trials if t.below is not None and t.state in ENDED and t.repeat_of is None]
    assert len(drawn) >= MISSES
    assert all((t.flops or 0) < (t.below or 0) for t in drawn)
    assert all(t.log_density is None for t in drawn), "they are no random ones of the whole band"
    for t in trials:
        if t.repeat_of is not None:
            assert t.key == trials[t.repeat_of].key
    assert len([t for t in trials if t.state in ENDED]) < 70, "it ended before"
    assert search.run(60, 10, 0.9)
    assert len(search.reader.trials()) == len(trials), "the same again has nothing to do"
    assert search.run(60, 10)
    ended = [t for t in search.reader.trials() if t.state in ENDED and t.repeat_of is None]
    assert len(ended) == 60, "without it the search goes on to its total, in the whole band"
    later = [t for t in ended if t.number >= len(trials)]
    assert all(t.below is None for t in later)
    assert sampler != "random" or any((t.flops or 0) > 100_000 for t in later)


def test_a_network_that_was_interrupted_is_the_same_when_it_is_trained_again(
    make: Callable[..., Search],  # noqa: F811
) -> None:
    """Its choices mean another network in the whole band."""
    search = make(sampler="tpe")
    search.trainer = known(lambda arch: 0.5 + 0.5 * (flops_of(arch) >= 60_000))
    seen = 0

    def die(*args: object) -> None:
        nonlocal seen
        if any(t.below is not None and t.state == "running" for t in search.reader.trials()):
            seen += 1
            if seen == 3:
                raise KeyboardInterrupt

    search.watch = Watch(on_begin=die)
    with pytest.raises(KeyboardInterrupt):
        search.run(60, 10, 0.9)
    again = make(sampler="tpe")
    again.trainer = search.trainer
    assert again.run(60, 10, 0.9)
    trials = again.reader.trials()
    retried = [t for t in trials if t.retry_of is not None]
    assert retried
    for t in retried:
        assert (t.key, t.below) == (trials[t.retry_of or 0].key, trials[t.retry_of or 0].below)


def test_the_command_ends_before_its_total_and_says_what_it_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    fork_what_is_started(monkeypatch.setattr)
    words = ("search", "digits", "--data", "digits", "--flops", "100K..2M", "--images", "300", "--device", "cpu")
    code, _, err = run(*words, "--accuracy", "15%", "--trials", 20, "--study", "s", "--workers", 2)
    assert code == 0, err
    said = re.findall(r"accuracy: 15.00% is reached by trial \d+, \d+\.\d+%, mean of 3 seeds, \S+ FLOPs", err)
    assert said
    assert err.index("note: accuracy: 15.00% is reached") < err.rindex("\ntrial"), "as it happens"
    trials = Reader(Path("runs/s")).trials()
    assert sum(t.state in ENDED for t in trials) < 30
    assert "export the cheapest that has it: nas export s --accuracy 15% --out exports/s" in err
    assert extent_to_join(Reader(Path("runs/s"))) == (20, 40, 0.15)
    assert "accuracy: 15.00% is reached" in Path("runs/s/search.log").read_text()
    code, out, err = run(*words, "--accuracy", ".9999", "--trials", 1, "--study", "t", "--json")
    assert code == 0, err
    assert "accuracy: 99.99% is not reached; the nearest is trial 0, " in err
    assert "export the best: nas export t --out exports/t" in err
    assert json.loads(out)["study"] == "t"


def test_a_latency_may_be_what_is_saved(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    measure_briefly(monkeypatch.setattr)
    words = ("search", "digits", "--data", "digits", "--flops", "100K..2M", "--images", "300", "--device", "cpu")
    more = ("--latency", "..0.9ms", "--device-model", model_file(nanoseconds=0.5), "--minimize", "latency")
    code, _, err = run(*words, *more, "--accuracy", "15%", "--trials", 8, "--study", "s")
    assert code == 0, err
    trials = Reader(Path("runs/s")).trials()
    drawn = [t for t in trials if t.below is not None and t.state in ENDED]
    assert drawn
    assert all((t.latency or 0) < (t.below or 0) for t in drawn)


@pytest.mark.parametrize("text", ["92", "0", "101%", "much", "0%", ""])
def test_what_is_no_accuracy_is_refused(text: str) -> None:
    with pytest.raises(
        InputError, match=r"^accuracy must be a percentage or a share up to 1, got .*; write e\.g\. 92% or \.92$"
    ):
        SearchPlan(trials=3, accuracy=text)


def test_further_seeds_are_for_it() -> None:
    assert SearchPlan(trials=3).extent(3) == Extent(3, 0)
    every = SearchPlan(trials=30, accuracy="92%").extent(30)
    assert every == Extent(30, 60, 0.92), "as many as any networks may need"
    assert every.further == 2, "what is planned for"
    assert SearchPlan(trials=3, accuracy="92%", repeats=1).extent(3) == (3, 1, 0.92)


def test_another_accuracy_has_seeds_of_its_own(make: Callable[..., Search]) -> None:  # noqa: F811
    """However many the study spent before."""
    search = make(sampler="random")
    search.trainer = known(lambda arch: 0.5 + 0.5 * (flops_of(arch) >= 60_000))
    assert search.run(10, 12)
    assert search.run(*SearchPlan(trials=40, accuracy="90%").extent(40))
    found = AccuracyGoal(0.9, search.settings).reached(search.reader.trials())
    assert found
    assert found.point.seeds >= GOAL_SEEDS


def test_a_worker_that_found_none_cheaper_draws_again_once_less_is_enough(make: Callable[..., Search]) -> None:  # noqa: F811
    """What was lucky below all others loses it when its seeds come in."""
    search = make(sampler="random")
    search.trainer = known(lambda arch: 0.95)
    search.asker.exhausted = BAND.low + 1.0  # as if it had once looked below such a network
    assert search.run(1, 0, 0.9)
    assert search._next(60, 0)
    search.asker.exhausted = math.inf
    assert search._next(60, 0) is None


def test_from_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    study = nas.search(
        "digits", data="digits", flops="100K..2M", images=300, trials=12, accuracy=0.15, device="cpu", study="s"
    )
    assert len(study.trials()) < 22
    assert "--accuracy 0.15" in Settings.read(study.folder).command
