"""The study: totals, resumption, crashes, repeats, what is kept, and what is refused. Real trainings, tiny networks."""

from __future__ import annotations

import json
import math
import multiprocessing
import re
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import optuna
import pytest
import torch
from optuna.trial import TrialState

from nas.analysis.pareto import pareto_front
from nas.analysis.studies import summarise
from nas.data.dataset import Data, load
from nas.data.study_data import describe_data
from nas.records.recipe import Recipe
from nas.records.settings import ARTIFACTS, FILE, JOURNAL, Minimize, Sampler, Settings, Stop
from nas.records.trial import CURVE, WEIGHTS, Period
from nas.samplers.early_stopping import Decision, Standing
from nas.samplers.parameters import unseen_params
from nas.searching import loop
from nas.searching.ask import Begun, trial_seed
from nas.searching.leases import MAX_DEATHS
from nas.searching.loop import Search, Watch
from nas.storage.artifacts import save_curve
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder, package_versions
from nas.training.brief import Verdict
from nas.training.device_data import DeviceData
from nas.training.trainer import BriefTrainer, Finished, Result
from space import Arch, Band, InputError, Space, cost
from space.draw import Proposal
from tests.nas.commands import Command, check_whole, wait_until

BAND = Band.parse("20K..200K")
RECIPE = Recipe(epochs=1, train_images=128)  # periods of 128 images
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture
def make(tmp_path: Path, tiny_space: Path, digits: Data) -> Callable[..., Search]:
    """Opens a search on `tmp_path / name`; keyword arguments change its settings."""

    def make(
        name: str = "study",
        watch: Watch | None = None,
        sampler: Sampler = "tpe",
        seed: int = 0,
        band: Band = BAND,
        stop: Stop = "none",
        periods: int = 1,
        place: int = 0,
        minimize: Minimize = "flops",
    ) -> Search:
        folder = tmp_path / name
        space = Space.load(tiny_space)
        settings = Settings(
            name=name, created="2026-01-01T00:00:00+00:00", command="test", space_name="tiny", space=space.to_dict(),
            flops_low=band.low, flops_high=band.high, data=describe_data(digits),
            recipe=replace(RECIPE, epochs=periods).settled(len(digits.train.labels)).to_dict(), sampler=sampler, stop=stop,
            seed=seed, minimize=minimize, device="cpu", versions=package_versions(),
        )  # fmt: skip
        open_folder(folder, settings)
        return Search(folder, trainer_of(settings, digits), watch or Watch(), place)

    return make


def trainer_of(settings: Settings, digits: Data) -> BriefTrainer:
    recipe = settings.build_recipe()
    return BriefTrainer(settings.task, DeviceData.place(digits, recipe, CPU), recipe)


def placed(search: Search) -> DeviceData:
    """The data that the search's trainer works on."""
    assert isinstance(search.trainer, BriefTrainer)
    return search.trainer.data


def die(search: Search, number: int) -> None:
    """As another worker sees it: the worker of that trial has died."""
    assert search.leases.hand_back(search.reader.frozen()[number], "its process ended", died=True)


def counted(search: Search) -> list[int]:
    return [trial.number for trial in search.reader.trials() if trial.state in ("complete", "failed")]


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_it_trains_to_the_total_inside_the_budget(make: Callable[..., Search], sampler: Sampler) -> None:
    search = make(sampler=sampler)
    assert search.run(5)
    done = [trial for trial in search.reader.trials() if trial.state == "complete"]
    assert len(done) == 5
    assert len({trial.key for trial in done}) == 5
    for trial in done:
        arch = trial.to_arch()
        assert arch in search.settings.build_space()
        counts = cost(arch, search.settings.task)
        assert (trial.flops, trial.params, trial.activations) == (counts.flops, counts.params, counts.activations)
        assert counts.flops in BAND
        assert trial.accuracy is not None
        assert 0 <= trial.accuracy <= 1
        assert trial.seed == trial_seed(0, trial.number)
        assert (trial.log_density is not None and trial.log_density < 0) == (sampler == "random"), "others learn"
        assert len(search.reader.curve(trial.number)) == 1


def test_a_shape_that_no_width_brings_into_the_budget_is_never_trained(make: Callable[..., Search]) -> None:
    band = Band.parse("60K..70K")
    search = make(band=band)
    search.run(4)
    trials = search.reader.trials()
    outside = [trial for trial in trials if trial.state == "outside"]
    assert outside, "the band must be narrow enough for some shapes to miss it"
    for trial in outside:
        assert trial.flops is not None
        assert trial.flops not in band
        assert (trial.accuracy, trial.seconds, search.reader.curve(trial.number)) == (None, None, [])
        assert trial.reason == "no width brings this shape into 60K..70K FLOPs"
    assert all(trial.flops and trial.flops in band for trial in trials if trial.state == "complete")


def test_weights_are_kept_for_the_front_alone(make: Callable[..., Search]) -> None:
    search = make()
    search.run(6)
    trials = search.reader.trials()
    front = {trial.number for trial in pareto_front(trials)}
    kept = {trial.number for trial in trials if search.reader.artifact(trial.number, WEIGHTS)}
    assert kept == front
    files = len(list((search.reader.folder / ARTIFACTS).iterdir()))
    assert files == len(front) + sum(bool(search.reader.artifact(t.number, CURVE)) for t in trials)


def test_the_same_seed_finds_the_same_networks_and_accuracies(make: Callable[..., Search]) -> None:
    first, again, other = make("one"), make("two"), make("three", seed=1)
    for search in (first, again, other):
        search.run(4)
    rows = [[(t.key, t.accuracy, t.seed, t.state) for t in s.reader.trials()] for s in (first, again, other)]
    assert rows[0] == rows[1] != rows[2]


def test_it_resumes_to_the_total(make: Callable[..., Search]) -> None:
    make().run(3)
    finished: list[int] = []
    search = make(watch=Watch(on_finish=lambda trial, done: finished.append(done)))
    assert search.run(5)
    assert finished == [4, 5]
    assert len(counted(search)) == 5
    assert make().run(5)
    assert len(counted(search)) == 5


def test_asked_to_stop_it_queues_the_network_again_with_its_seed(make: Callable[..., Search]) -> None:
    asked: list[bool] = []
    search = make(watch=Watch(on_finish=lambda trial, done: asked.append(True), stop=lambda: bool(asked)))
    assert not search.run(5)
    assert len(counted(search)) == 1
    assert make().run(5)
    assert len(counted(search)) == 5


def test_a_second_ctrl_c_leaves_a_study_that_resumes(make: Callable[..., Search]) -> None:
    def interrupt(number: int, period: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(watch=Watch(on_period=interrupt)).run(2)
    search = make()
    states = [trial.state for trial in search.reader.trials()]
    assert states == ["interrupted"]
    search.run(2)
    trials = search.reader.trials()
    assert [trial.state for trial in trials] == ["interrupted", "complete", "complete"]
    assert (trials[0].key, trials[0].seed) == (trials[1].key, trials[1].seed)
    assert trials[1].retry_of == 0
    assert len(counted(search)) == 2


def test_a_space_with_no_new_network_ends_with_a_note(tmp_path: Path, tiny_space: Path, digits: Data) -> None:
    """Two networks in all: they are trained once each, however many trials are asked for."""
    raw = Space.load(tiny_space).to_dict()
    one = {name: values if isinstance(values, dict) else values[:1] for name, values in raw["axes"].items()}
    one.update(block=["convnext"], width=[8, 16], depth=[2])
    space = Space.from_dict({"image_size": 8, "axes": one}, "pair", "pair")
    settings = Settings(
        name="pair", created="x", command="test", space_name="pair", space=space.to_dict(), flops_low=1000,
        flops_high=10**6, data=describe_data(digits), recipe=RECIPE.to_dict(), sampler="tpe", seed=0, device="cpu",
        versions={},
    )  # fmt: skip
    open_folder(tmp_path / "pair", settings)
    notes: list[str] = []
    search = Search(tmp_path / "pair", trainer_of(settings, digits), Watch(on_note=notes.append))
    assert search.run(10)
    done = [trial for trial in search.reader.trials() if trial.state == "complete"]
    assert len(done) == len({trial.key for trial in done}) == 2
    assert notes == ["space pair holds no further network in 1K..1M FLOPs"]
    repeats = [trial for trial in search.reader.trials() if trial.state == "repeat"]
    assert repeats
    assert all(trial.reason and trial.reason.startswith("same network as trial") for trial in repeats)


def test_a_diverged_trial_is_recorded_and_the_search_goes_on(make: Callable[..., Search]) -> None:
    search = make()
    healthy = placed(search).train.mean.clone()

    def poison(number: int, arch: object, done: int) -> None:
        placed(search).train.mean.copy_(torch.full_like(healthy, math.nan) if done == 1 else healthy)

    search.watch = Watch(on_begin=poison)
    assert search.run(4)
    trials = [t for t in search.reader.trials() if t.state in ("complete", "failed")]
    assert [trial.state for trial in trials] == ["complete", "failed", "complete", "complete"]
    assert trials[1].reason == "loss became nan within 128 of 128 images"
    assert trials[1].accuracy is None
    assert trials[1] not in pareto_front(trials)


def test_five_failures_in_a_row_end_the_search_with_the_reason(make: Callable[..., Search]) -> None:
    search = make()
    placed(search).train.mean.fill_(math.nan)
    with pytest.raises(
        InputError, match="trials must not fail 5 times in a row, got loss became nan within 128 of 128 images"
    ):
        search.run(20)
    assert len(counted(search)) == 5


def test_a_trial_that_runs_out_of_memory_fails_alone(make: Callable[..., Search]) -> None:
    search = make()
    whole = placed(search).train.images
    calls: list[int] = []

    def starve(number: int, arch: object, done: int) -> None:
        calls.append(number)
        placed(search).train.images = (
            whole if done or whole is None else whole.as_strided((128, 2**18, 2**18, 1), (0, 0, 0, 0))
        )  # 4 TB a batch

    search.watch = Watch(on_begin=starve)
    search.run(2)
    trials = [trial for trial in search.reader.trials() if trial.state in ("complete", "failed")]
    assert [trial.state for trial in trials] == ["failed", "complete"]
    assert trials[0].reason
    assert trials[0].key
    assert trials[0].key in trials[0].reason
    assert "allocate" in trials[0].reason
    assert re.search(r"\(network \w{12}, [\d.]+K FLOPs, [\d.]+K parameters, [\d.]+K activations\)$", trials[0].reason)


class Below:
    """Stops every second trial after its first period."""

    name: Stop = "quantile"
    rungs = (1,)
    seen: ClassVar[dict[int, list[Standing]]] = {}

    def judge(self, trial: Standing, period: int, others: Sequence[Standing]) -> Decision:
        self.seen[trial.number] = list(others)
        return Decision(period, trial.at(period), trial.number % 2 == 1, "below", 0.5, len(others))


def test_a_stopped_trial_is_told_with_its_decision_and_curve_and_counts(make: Callable[..., Search]) -> None:
    search = make(stop="quantile", periods=2)
    search.rule = Below()  # type: ignore[assignment]
    assert search.run(4)
    trials = search.reader.trials()
    assert [trial.state for trial in trials] == ["complete", "stopped", "complete", "stopped"]
    stopped = trials[1]
    assert (stopped.accuracy, stopped.periods, trials[0].periods) == (None, 1, 2)
    assert (stopped.images, trials[0].images) == (128, 256)
    curve = search.reader.curve(1)
    assert len(curve) == 1
    (decision,) = stopped.decisions
    assert decision["accuracy"] == pytest.approx(curve[0].accuracy, abs=1e-6)
    assert {**decision, "accuracy": 0} == asdict(Decision(1, 0, True, "below", 0.5, 1)) | {"images": 128}
    assert stopped.reason == f"{curve[0].accuracy:.2%} after 128 images, 50.00% needed to go on, compared with 1 others"
    assert not {1, 3} & {trial.number for trial in pareto_front(trials)}
    frozen = search.study.get_trials(deepcopy=False)[1]
    assert frozen.state == TrialState.PRUNED
    assert set(frozen.constraints) == {"budget"}
    assert frozen.constraints["budget"] <= 0
    assert [len(standing.accuracies) for standing in Below.seen[3]] == [2, 1, 2]

    again = make(stop="quantile", periods=2)  # curves of ended trials come from their files
    again.rule = Below()  # type: ignore[assignment]
    again.run(5)
    assert [len(standing.accuracies) for standing in Below.seen[4]] == [2, 1, 2, 1]


def test_a_trial_is_judged_by_what_the_study_minimises(make: Callable[..., Search]) -> None:
    search = make(stop="quantile", periods=2, minimize="params")
    judged: dict[int, float] = {}

    class Costs(Below):
        def judge(self, trial: Standing, period: int, others: Sequence[Standing]) -> Decision:
            judged[trial.number] = trial.cost
            return super().judge(trial, period, others)

    search.rule = Costs()  # type: ignore[assignment]
    assert search.run(2)
    assert judged == {trial.number: trial.params for trial in search.reader.trials()}


def test_rungs_of_a_trial_that_another_machine_trains_are_seen(
    make: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_LEASE", "6")  # after which it is taken back
    search = make(stop="quantile", periods=2)
    search.rule = Below()  # type: ignore[assignment]
    elsewhere = search.study.ask()
    decision = asdict(Decision(1, 0.25, False, "kept", None, 0))
    attrs = {
        "owner": {"host": "another", "pid": 1},
        "key": "0",
        "flops": 30_000,
        "accuracies": [0.25],
        "decisions": [decision],
    }
    for name, value in attrs.items():
        elsewhere.set_user_attr(name, value)
    assert search.run(2)
    assert Standing(0, 30_000, (0.25,)) in Below.seen[1]
    trials = search.reader.trials()
    assert trials[0].reason == "its worker gave no sign of life for 6 s; it had no network yet"
    assert sum(trial.state in ("complete", "stopped") for trial in trials) == 2


def test_repeats_train_members_of_the_front_with_other_seeds(make: Callable[..., Search]) -> None:
    search = make()
    assert search.run(4, repeats=3)
    trials = search.reader.trials()
    again = [trial for trial in trials if trial.repeat_of is not None]
    assert len(trials) == 7
    assert len(again) == 3
    members = {trial.key for trial in pareto_front(trials[:4])}
    assert again[0].key in members
    for trial in again:
        first = trials[trial.repeat_of or 0]
        assert (trial.key, trial.flops, trial.state) == (first.key, first.flops, "complete")
        assert trial.seed != first.seed
    assert make().run(4, repeats=3)
    assert len(search.reader.trials()) == 7, "they are not spent twice"


def instant(
    arch: Arch, seed: int, on_period: Callable[[Period], Verdict], abandoned: Callable[[], bool]
) -> Result:  # fmt: skip
    """A trainer that needs no time."""
    on_period(Period(1, 128, 1.0, seed % 100 / 100, 0.01))
    return Finished(seed % 100 / 100, 0.01, False, b"")


@pytest.mark.parametrize("sampler", ["ehvi", "random"])
def test_of_many_workers_that_begin_at_once_the_total_is_trained_and_no_network_twice(
    make: Callable[..., Search], sampler: Sampler
) -> None:
    """Six processes that do nothing but ask and tell, so that they meet at every turn."""
    make(sampler=sampler)

    def work(place: int) -> None:
        search = make(sampler=sampler, place=place)
        search.trainer = instant
        assert search.run(24, repeats=4)

    workers = [multiprocessing.get_context("fork").Process(target=work, args=(place,)) for place in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    trials = make(sampler=sampler).reader.trials()
    networks = [trial for trial in trials if trial.state == "complete" and trial.repeat_of is None]
    assert len(networks) == len({trial.key for trial in networks}) == 24
    assert sum(trial.repeat_of is not None and trial.state == "complete" for trial in trials) == 4
    assert not [trial for trial in trials if trial.state in ("running", "waiting")]


def test_of_two_that_begin_the_last_network_at_once_the_first_in_the_journal_trains_it(
    make: Callable[..., Search],
) -> None:
    """Both have written that they begin before either looks; the later number is earlier in the journal."""
    one, two = make(), make(place=1)
    drawn = []
    for search in (one, two):
        drawn.append(search.study.ask())
        drawn[-1].set_user_attr("owner", {"host": "another", "pid": 1})
        search.asker._draw(drawn[-1])
    drawn[1].set_user_attr("begun", True)
    drawn[0].set_user_attr("begun", True)
    first, second = one.index.refresh().reader.trials()
    assert (first.begun, second.begun) == (1, 0)
    assert [one.asker._fits(trial, 1, 0) for trial in (first, second)] == [False, True]
    two.index.refresh()
    assert [two.asker._fits(trial, 1, 0) for trial in (first, second)] == [False, True], "every worker sees the same"


def test_what_was_begun_too_many_is_trained_first_when_the_study_goes_on(make: Callable[..., Search]) -> None:
    search = make()
    search.trainer = instant
    frozen = search.study.ask()  # another machine's, which begins the only one
    frozen.set_user_attr("owner", {"host": "another", "pid": 1})
    search.asker._draw(frozen)
    frozen.set_user_attr("begun", True)
    with search.heartbeat:
        assert search.asker._begin(1, 0) is None
    left = search.reader.trials()[1]
    surplus = "surplus: as many as wanted had begun before it; its network is trained first when the search goes on"
    assert (left.state, left.reason) == ("interrupted", surplus)
    search.study.tell(frozen, [0.5, frozen.user_attrs["flops"]])
    assert make().run(2)
    trials = search.reader.trials()
    assert (trials[2].state, trials[2].key, trials[2].retry_of) == ("complete", left.key, 1)


def test_workers_draw_differently(make: Callable[..., Search]) -> None:
    keys = []
    for name, place in (("one", 0), ("two", 0), ("three", 1)):
        search = make(name=name, place=place)
        search.run(1)
        keys.append(search.reader.trials()[0].key)
    assert keys[0] == keys[1] != keys[2]


def test_a_result_that_comes_after_the_trial_was_taken_back_is_dropped(make: Callable[..., Search]) -> None:
    """By what another worker does to a trial whose owner is silent."""
    notes: list[str] = []

    def take(number: int, period: int) -> None:
        if not notes:
            other = make(place=1, periods=2)
            frozen = other.reader.frozen()[number]
            assert other.leases.hand_back(frozen, "its worker gave no sign of life for 60 s", died=True)
            assert other.leases.hand_back(frozen, "again") is None, "once only"

    search = make(watch=Watch(on_period=take, on_note=notes.append), periods=2)
    assert search.run(2)
    trials = search.reader.trials()
    assert notes == ["trial 0 was taken back while this worker was held up; its result is dropped"]
    assert trials[0].state == "interrupted"
    assert trials[0].reason == "its worker gave no sign of life for 60 s; its network is queued again"
    assert (trials[0].accuracy, search.reader.curve(0)) == (None, [])
    again = next(trial for trial in trials if trial.retry_of == 0)
    assert again.state == "complete"
    assert (again.key, again.seed) == (trials[0].key, trials[0].seed)
    assert len([trial for trial in trials if trial.state == "complete"]) == 2


def test_a_worker_that_is_abandoned_hands_its_trial_back_at_the_next_step(make: Callable[..., Search]) -> None:
    """As where the process that started it has ended, which another thread hears of."""
    search = make(periods=1000)
    threading.Timer(0.5, lambda: search.abandon("the process that started its worker ended")).start()
    assert not search.run(100)
    last = search.reader.trials()[-1]
    assert (last.state, last.reason) == (
        "interrupted", "the process that started its worker ended; its network is queued again",
    )  # fmt: skip
    assert not search.heartbeat.held


def test_a_network_that_is_being_drawn_may_be_taken_back_too(make: Callable[..., Search]) -> None:
    """Its worker was held up in between."""
    notes: list[str] = []
    search = make(watch=Watch(on_note=notes.append))
    draw = search.asker._draw

    def slowly(trial: optuna.Trial, below: int | None = None) -> Proposal:
        proposal = draw(trial, below)
        if not notes:
            die(make(place=1), trial.number)
        return proposal

    search.asker._draw = slowly  # type: ignore[method-assign]
    assert search.run(2)
    assert notes == ["a network was taken back while this worker was held up"]
    trials = search.reader.trials()
    assert [trial.state for trial in trials] == ["interrupted", "complete", "complete"]
    assert trials[1].key == trials[0].key


def test_who_was_held_up_in_the_midst_of_drawing_drops_the_trial_and_goes_on(make: Callable[..., Search]) -> None:
    """All of a network's entries come too late at once; Optuna refuses each of them when it is read back."""
    notes: list[str] = []
    search = make(watch=Watch(on_note=notes.append))
    compose = search.asker.space.compose

    def slowly(*words: Any) -> Proposal:
        if not notes:
            die(make(place=1), 0)
            notes.append("taken back")
        return compose(*words)

    object.__setattr__(search.asker.space, "compose", slowly)
    assert search.run(2)
    assert notes == ["taken back", "a network was taken back while this worker was held up"]
    assert [trial.state for trial in search.reader.trials()] == ["interrupted", "complete", "complete"]


def test_who_was_held_up_while_it_recorded_a_result_drops_it_and_goes_on(
    make: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    search = make(watch=Watch(on_note=notes.append))
    save = save_curve

    def slowly(*words: Any) -> None:
        if not notes:
            notes.append("taken back")
            die(make(place=1), 0)
        save(*words)

    monkeypatch.setattr(loop, "save_curve", slowly)
    assert search.run(2)
    assert notes == ["taken back", "trial 0 was taken back while this worker was held up; its result is dropped"]
    assert sum(trial.state == "complete" for trial in search.reader.trials()) == 2


def test_a_trial_that_completes_while_it_is_taken_back_is_complete(make: Callable[..., Search]) -> None:
    search = make()
    search.trainer = instant
    search.run(1)
    search = make()
    begun = search.asker.next(2, 0)
    assert begun
    search.storage.set_trial_user_attr(begun.trial._trial_id, "outcome", "interrupted")  # and then it wakes up
    search.study.tell(begun.trial, [0.5, begun.trial.user_attrs["flops"]])
    trial = search.reader.trials()[begun.trial.number]
    assert (trial.state, trial.accuracy) == ("complete", 0.5)


def test_a_further_seed_that_two_workers_take_up_at_once_is_trained_once(make: Callable[..., Search]) -> None:
    search = make()
    search.trainer = instant
    assert search.run(2)
    left = search.asker.next(2, 1)
    assert left
    die(search, left.trial.number)
    one, two = make(place=1), make(place=2)
    for worker in (one, two):
        worker.index.refresh()
    for worker in (one, two):  # neither sees that the other queues it too
        assert worker.asker._queue_interrupted(repeats=True)
    begun = [one.asker._begin(2, 2), two.asker._begin(2, 2)]
    assert [found is not None for found in begun] == [True, False]
    last = one.reader.trials()[-1]
    assert last.state == "repeat"


def test_weights_of_the_front_are_dropped_only_once_the_better_trial_is_on_record(
    make: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = make()
    search.run(2)
    kept = [trial.number for trial in search.reader.trials() if search.reader.artifact(trial.number, WEIGHTS)]

    def killed(*words: object, **more: object) -> None:
        raise SystemExit

    search = make()
    monkeypatch.setattr(search.study, "tell", killed)
    with pytest.raises(SystemExit):
        search.run(5)
    assert all(search.reader.artifact(number, WEIGHTS) for number in kept)


def test_queued_copies_do_not_exhaust_a_space(make: Callable[..., Search]) -> None:
    search = make()
    search.trainer = instant
    search.run(1)
    params = search.reader.frozen()[0].params
    for _ in range(25):
        search.study.enqueue_trial(params)
    notes: list[str] = []
    again = make(watch=Watch(on_note=notes.append))
    again.trainer = instant
    assert again.run(2)
    assert notes == []
    assert sum(trial.state == "complete" for trial in again.reader.trials()) == 2


def test_nothing_stays_queued_when_a_search_ends_and_a_larger_one_takes_it_up(make: Callable[..., Search]) -> None:
    search = make()
    search.trainer = instant
    search.run(1)
    params = unseen_params(search.settings.build_space(), search.settings, search.index.seen(), seed=3)
    assert params
    search.study.enqueue_trial(params, user_attrs={"stand_in": True})
    assert search.run(1)
    assert [trial.state for trial in search.reader.trials()] == ["complete", "interrupted"]
    assert search.run(2)
    trials = search.reader.trials()
    assert [trial.state for trial in trials] == ["complete", "interrupted", "complete"]
    assert trials[2].retry_of == 1
    assert trials[2].key == trials[1].key


def test_a_network_of_which_workers_keep_dying_fails(make: Callable[..., Search]) -> None:
    search = make()
    for death in range(MAX_DEATHS + 1):
        begun = search.asker.next(1, 0)
        assert begun
        die(search, begun.trial.number)
        state = search.reader.trials()[begun.trial.number].state
        assert state == ("failed" if death == MAX_DEATHS else "interrupted")
    trials = search.reader.trials()
    assert len({trial.key for trial in trials}) == len({trial.seed for trial in trials}) == 1
    assert trials[-1].reason == "its process ended; 6 workers died of this network, which has failed"
    assert search.run(2)
    assert sum(trial.state in ("complete", "failed") for trial in search.reader.trials()) == 2


def test_a_network_is_queued_whole_by_whoever_dies_before_it_is_on_record_again(make: Callable[..., Search]) -> None:
    search = make()
    begun = search.asker.next(1, 0)
    assert begun
    die(search, begun.trial.number)
    name, distribution = next(iter(search.reader.frozen()[begun.trial.number].distributions.items()))
    for on_record in (0, 1):  # of the network's parameters, when the next one dies
        assert search.asker.index.refresh()
        assert search.asker._queue_interrupted(repeats=False)
        trial = search.study.ask()
        if on_record:
            trial._suggest(name, distribution)
        assert len(search.reader.frozen()[trial.number].params) == on_record
        die(search, trial.number)
    again = search.asker.next(1, 0)
    assert again
    assert again.arch == begun.arch
    assert again.trial.user_attrs["seed"] == begun.trial.user_attrs["seed"]


def test_a_queued_further_seed_is_trained_though_no_other_is_wanted(make: Callable[..., Search]) -> None:
    search = make()
    assert search.run(3, repeats=1)
    first = next(trial for trial in search.reader.trials() if trial.state == "complete")
    search.study.enqueue_trial(search.reader.frozen()[first.number].params, user_attrs={"repeat_of": first.number})
    assert make().run(3, repeats=2)
    again = [trial for trial in search.reader.trials() if trial.repeat_of is not None]
    assert [trial.state for trial in again] == ["complete", "complete"]


def test_what_is_handed_back_while_another_looks_is_trained(make: Callable[..., Search]) -> None:
    other, search = make(), make(place=1)
    begun = other.asker.next(1, 0)
    assert begun
    search.trainer = instant
    looked = search.asker.next

    def hand_back_afterwards(total: int, repeats: int) -> Begun | None:
        found = looked(total, repeats)
        if other.heartbeat.held:
            other._hand_back("its machine is to be switched off")
            other.heartbeat.held.clear()
        return found

    search.asker.next = hand_back_afterwards  # type: ignore[method-assign]
    assert search.run(1)
    assert [trial.state for trial in search.reader.trials()] == ["interrupted", "complete"]


def test_a_journal_that_goes_away_under_a_search_is_one_line(make: Callable[..., Search]) -> None:
    search = make()
    journal = search.reader.folder / "journal.log"
    search.watch = Watch(on_begin=lambda number, arch, networks: journal.unlink())
    with pytest.raises(InputError, match=r"^journal must stay where it is while its study is trained, got none at "):
        search.run(2)


def test_any_whole_number_is_a_seed(make: Callable[..., Search]) -> None:
    search = make(sampler="ehvi", seed=2**70)
    search.trainer = instant
    assert search.run(3)


def test_a_lease_that_is_no_time_is_refused(make: Callable[..., Search], monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("0", "soon", "-3", "nan", "1e9"):
        monkeypatch.setenv("NAS_LEASE", text)
        with pytest.raises(InputError) as error:
            make()
        assert str(error.value) == f"NAS_LEASE must be 1 to 86400 seconds, got {text}; unset it for 60"


def test_an_error_of_the_search_is_not_taken_for_a_trainers_death(make: Callable[..., Search]) -> None:
    def full(number: int, period: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        make(watch=Watch(on_period=full)).run(2)


def test_killed_it_leaves_a_study_that_resumes_to_the_total(command: Command) -> None:
    process = command.search("--trials", 40)
    wait_until(lambda: len(command.ended()) >= 2, process)
    process.kill()
    process.wait()
    before = len(command.ended())
    states = [trial.state for trial in command.trials()]
    assert summarise(command.folder).state == "idle"
    again = command.search("--trials", before + 2)
    errors = again.communicate(timeout=300)[1]
    assert again.returncode == 0, errors
    rows = check_whole(command, before + 2)
    if "running" in states:
        lost = states.index("running")
        assert rows[lost].state == "interrupted"
        # killed while it was proposed, it has no owner or no network yet
        ended = "its process ended|its worker gave no sign of life for 10 s"
        again_said = "its network is queued again|it had no network yet"
        assert re.search(rf"trial {lost}: ({ended}); ({again_said})", " ".join(errors.split()))


def test_ctrl_c_ends_the_period_and_says_how_to_go_on(command: Command) -> None:
    process = command.search("--trials", 500)
    wait_until(lambda: command.ended(), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopping after the next evaluation (Ctrl-C again: at once)" in errors
    assert "stopped; to go on: nas search" in errors
    assert "Traceback" not in errors
    assert not [trial for trial in command.trials() if trial.state == "running"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("flops_high", 10**6, r"flops must be 20K\.\.200K to resume study, got 20K\.\.1M; start another study with"),
        ("params", (1, 50_000), r"params must be none to resume study, got \.\.50K; start"),
        ("latency", (300_000, 500_000), r"latency must be none to resume study, got 0\.3 ms\.\.0\.5 ms; start"),
        ("sampler", "random", "sampler must be tpe to resume study, got random"),
        ("seed", 5, "seed must be 0 to resume study, got 5"),
        ("recipe", replace(RECIPE, lr=0.5).settled(1079).to_dict(), "recipe.lr must be 0.002 to resume study, got 0.5"),
    ],
)
def test_resuming_with_anything_different_is_refused(
    make: Callable[..., Search], field: str, value: object, message: str
) -> None:
    search = make()
    with pytest.raises(InputError, match=message):
        open_folder(search.reader.folder, replace(search.settings, **{field: value}))  # type: ignore[arg-type]


def test_all_that_differs_is_named_in_one_line(make: Callable[..., Search]) -> None:
    search = make()
    other = replace(search.settings, flops_high=10**6, seed=5, sampler="random")
    with pytest.raises(InputError) as refused:
        open_folder(search.reader.folder, other)
    assert str(refused.value) == (
        "flops must be 20K..200K to resume study, got 20K..1M; sampler tpe, got random; seed 0, got 5; start another "
        "study with --study NAME"
    )
    space = dict.fromkeys("abcdefgh", 1)
    with pytest.raises(InputError, match=r"^seed must be 0 to resume study, got 5; .*; and \d+ more; start another"):
        open_folder(search.reader.folder, replace(search.settings, seed=5, space=space))


def test_more_epochs_are_refused_with_a_way_that_works(make: Callable[..., Search]) -> None:
    """`--images` of what was settled would be settled once more."""
    search = make(periods=2)
    other = replace(search.settings, recipe=replace(RECIPE, epochs=3).settled(1079).to_dict())
    with pytest.raises(
        InputError, match=r"recipe\.images must be \d+ .*; take --images or --epochs from its command in"
    ):
        open_folder(search.reader.folder, other)


def test_other_data_and_another_space_are_refused(make: Callable[..., Search]) -> None:
    search = make()
    data = replace(search.settings.data, fingerprint="0" * 16)
    with pytest.raises(InputError, match=r"data.fingerprint must be [0-9a-f]{16} to resume study, got 0{16}"):
        open_folder(search.reader.folder, replace(search.settings, data=data))
    space = search.asker.space.to_dict()
    space["axes"]["depth"] = [2]
    with pytest.raises(InputError, match=r"space.axes.depth must be \[2, 3\] to resume study, got \[2\]"):
        open_folder(search.reader.folder, replace(search.settings, space=space))


def test_the_same_images_from_another_place_and_other_versions_are_accepted(make: Callable[..., Search]) -> None:
    search = make()
    moved = replace(search.settings, data=replace(search.settings.data, source="elsewhere"), versions={"torch": "1"})
    notes = open_folder(search.reader.folder, moved)
    assert f"torch was {search.settings.versions['torch']} when the study began, is now 1" in notes


def test_a_folder_that_lost_its_settings_is_not_written_to(make: Callable[..., Search]) -> None:
    search = make()
    (search.reader.folder / FILE).unlink()
    with pytest.raises(InputError, match=r"study must have its study.yaml, got a folder"):
        open_folder(search.reader.folder, search.settings)


def test_a_torn_last_line_is_cut_off_and_kept(make: Callable[..., Search]) -> None:
    search = make()
    search.run(2)
    path = search.reader.folder / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "wor')
    assert len(Reader(search.reader.folder).trials()) == len(search.reader.trials())  # readers pass over it
    assert path.read_bytes().endswith(b"wor")  # and leave it
    notes: list[str] = []
    again = make(watch=Watch(on_note=notes.append))
    assert notes == ["cut an unfinished last line of 19 bytes off journal.log; it is kept in journal.log.torn"]
    assert path.read_bytes().startswith(whole)
    assert path.with_name("journal.log.torn").read_bytes() == b'{"op_code": 4, "wor'
    assert again.run(3)
    assert path.read_bytes().endswith(b"\n")


def test_a_journal_damaged_in_the_middle_names_the_line_and_is_left_alone(make: Callable[..., Search]) -> None:
    search = make()
    search.run(1)
    path = search.reader.folder / JOURNAL
    lines = path.read_bytes().split(b"\n")
    lines[3] = lines[3][:10]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match=r"journal.log must be a whole journal, got damage in line 4"):
        Reader(search.reader.folder).trials()
    assert path.read_bytes() == b"\n".join(lines)
    assert summarise(search.reader.folder).state == "broken"


def test_reading_writes_nothing_and_takes_no_lock(make: Callable[..., Search]) -> None:
    search = make()
    search.run(1)
    folder = search.reader.folder

    def listing() -> Sequence[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))

    before = listing()
    (folder / f"{JOURNAL}.lock").symlink_to(JOURNAL)  # somebody holds the lock
    reader = Reader(folder)
    assert len(reader.trials()) == 1
    assert reader.curve(0)
    (folder / f"{JOURNAL}.lock").unlink()
    assert listing() == before


def test_optuna_itself_reads_the_study(make: Callable[..., Search]) -> None:
    search = make()
    search.run(4)
    backend = optuna.storages.journal.JournalFileBackend(str(search.reader.folder / JOURNAL))
    study = optuna.load_study(study_name="nas", storage=optuna.storages.JournalStorage(backend))
    ours = {trial.number for trial in pareto_front(search.reader.trials())}
    assert {trial.number for trial in study.best_trials} >= ours
    assert all(json.dumps(trial.user_attrs) for trial in study.trials)


def test_a_reader_whose_journal_goes_away_has_no_trials_and_reads_the_next_one(tmp_path: Path) -> None:
    kept = Path(__file__).parents[1] / "older" / "version_1"
    folder = Path(shutil.copytree(kept, tmp_path / "study"))
    reader, journal = Reader(folder), folder / "journal.log"
    assert len(reader.trials()) == 30
    journal.unlink()
    assert reader.trials() == []
    shutil.copy(kept / "journal.log", journal)
    assert len(reader.trials()) == 30
