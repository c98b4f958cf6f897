"""Latency: on a quiet machine or marked, kept by device and network, the front in it, and damaged or old measurements."""

from __future__ import annotations

import json
import math
import os
import platform
import random
import re
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas
from nas.analysis.cost_axes import busy_alone, cost_axes
from nas.export import card_sections
from nas.export.pick import Selection, pick, pick_with_words
from nas.latency.device_names import CAPTURED, EAGER
from nas.latency.front import Measured, latency_front, rows
from nas.latency.measurements import FILE, joined, keep, read
from nas.latency.measuring import MeasureOptions, measure_arch, measure_study
from nas.latency.reference_kernel import ReferenceKernel, threads
from nas.latency.runtimes import captured
from nas.latency.tensor_memory import peak_tensor_bytes
from nas.latency.timing import Timing, Try, device_name, device_names, measure, quietest
from nas.records.trial import Trial
from nas.storage.reader import Reader
from nas.training.allocator import give_back_memory
from nas.training.device import stream
from space import Arch, InputError, Task, cost
from space.network import Network
from tests.brief import measure_briefly
from tests.dashboard.studies import TASK, add_trial, make_study
from tests.nas.conftest import Run
from tests.space.networks import arch

CPU = torch.device("cpu")
CORES = len(os.sched_getaffinity(0))


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    measure_briefly(monkeypatch.setattr)


def row(latency: float, score: float, number: int = 0, slowdown: float | None = 1.0) -> Measured:
    trial = Trial(number=number, state="complete", accuracy=score, flops=1)
    return Measured(
        trial=trial, device="d", batch=1, median=latency, low=latency, high=latency, slowdown=slowdown,
        peak_tensor_bytes=None,
    )  # fmt: skip


def timing(milliseconds: float, reference: float | None = 1.0, best: float = 1.0) -> dict[str, Any]:
    """As in the file; without a reference as older releases wrote it."""
    seconds = milliseconds / 1e3
    plain = {"median": seconds, "low": 0.9 * seconds, "high": 1.2 * seconds, "passes": 10}
    if reference is None:
        return plain | {"memory": 3_000_000_000}
    return plain | {"reference": reference, "reference_best": best, "peak_tensor_bytes": 1_230_000}


def test_the_front_rises_in_accuracy_and_latency() -> None:
    rows = [row(1, 0.5, 1), row(2, 0.4, 2), row(3, 0.6, 3), row(4, 0.6, 4)]
    assert latency_front(rows) == [rows[0], rows[2]]
    assert latency_front([row(0.5, 0.9, slowdown=1.3), *rows]) == [rows[0], rows[2]], "the machine was busy"
    old = row(0.5, 0.5, slowdown=None)
    assert latency_front([old, *rows]) == [old, rows[2]], "nobody knows"


def test_a_try_on_a_quiet_machine_is_taken_else_the_quietest() -> None:
    def tries(*slowdowns: float) -> Iterator[Try]:
        for slowdown in slowdowns:
            yield Try((slowdown,), slowdown, slowdown)
        raise AssertionError("one more than are wanted")

    assert quietest(tries(1.2)).slowdown == 1.2
    assert quietest(tries(3.0, 1.3, 1.25), 4).slowdown == 1.25
    assert quietest(tries(3.0, 1.3, 1.4, 2.0), 4).slowdown == 1.3
    assert quietest(tries(9.0), 1).slowdown == 9.0


SPIN = "import os\nos.sched_setaffinity(0, {int(os.sys.argv[1])})\nprint(flush=True)\nwhile True:\n    pass"


def test_other_programs_on_the_core_make_the_machine_busy(brief: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    monkeypatch.setattr("nas.latency.reference_kernel.BURST", 5)
    cores = os.sched_getaffinity(0)
    core = min(cores)
    others: list[subprocess.Popen[bytes]] = []
    try:
        os.sched_setaffinity(0, {core})
        with threads(1):
            reference = ReferenceKernel(CPU)
            for _ in range(2):
                others.append(subprocess.Popen([sys.executable, "-c", SPIN, str(core)], stdout=subprocess.PIPE))
            for other in others:
                assert other.stdout
                other.stdout.readline()
            (found,) = measure(Network(arch(8), Task(8)), Task(8), 1, reference, tries=1)
    finally:
        os.sched_setaffinity(0, cores)
        for other in others:
            other.kill()
            other.communicate()
    assert found.slowdown > 1.25
    assert re.search(r"\nbusy: a reference kernel took \d+\.\d times its best meanwhile, 1.25 is the", found.report())


def test_threads_are_the_stated_number_and_part_of_the_name(brief: None) -> None:
    before = torch.get_num_threads()
    for count in {1, CORES}:
        (found,) = measure_arch(arch(8), Task(8), MeasureOptions(device="cpu", threads=count))
        assert re.search(rf", {count} threads?$", found.device)
    assert torch.get_num_threads() == before
    with pytest.raises(InputError, match=rf"threads must be from 1 to {CORES}, the cores here, got {CORES + 1}; use 1"):
        measure_arch(arch(8), Task(8), MeasureOptions(device="cpu", threads=CORES + 1))


def test_memory_is_of_the_networks_own_tensors() -> None:
    class Doubling(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (2 * x).view(-1).relu_()  # one new storage, seen three times

    assert peak_tensor_bytes(Doubling(), torch.zeros(10, 10)) == 4 * (100 + 100)
    small = nn.Sequential(nn.Linear(4, 100), nn.Linear(100, 3))
    alone = peak_tensor_bytes(small, torch.zeros(5, 4))
    assert alone == 4 * (4 * 100 + 100 + 100 * 3 + 3 + 5 * 4 + 5 * 100 + 5 * 3)
    large = peak_tensor_bytes(Network(arch(64), Task(64)), torch.zeros(8, 3, 64, 64))
    assert large > 100 * alone
    assert peak_tensor_bytes(small, torch.zeros(5, 4)) == alone, "what ran before in the process is of no matter"


def test_memory_grows_with_the_batch_and_a_card_has_no_times_of_a_busy_machine(
    brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, many = measure_arch(arch(8), Task(16), MeasureOptions(device="cpu", batches=(1, 64)))
    assert many.peak_tensor_bytes > 2 * one.peak_tensor_bytes
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    plain = {name: getattr(one, name) for name in Timing.__slots__}
    quiet, busy = (Timing(**plain | {"reference": r, "reference_best": 1.0}) for r in (1.0, 1.5))
    assert "1.25 times its best of these seconds is busy, and its times are left out." in card_sections.timings([quiet])
    text = card_sections.timings([quiet, busy])
    assert ("| 1.00 x its best |" in text, "| 1.50 x its best |" in text) == (True, False)
    assert card_sections.timings([busy]).startswith("Not measured: the machine was busy (a reference kernel took 1.5 ")


def test_what_was_measured_on_a_busy_machine_is_listed_with_a_mark_and_on_no_front(tmp_path: Path, run: Run) -> None:
    folder = make_study(tmp_path, complete=4)
    trials = sorted(Reader(folder).trials(), key=lambda trial: trial.accuracy or 0)
    for place, trial in enumerate(trials):
        best = place == 3
        keep(folder, "A Phone, 2 threads", trial.key or "", {"1": timing(1 if best else 2 + place, 1.8 if best else 1)})
    name = "latency (batch 1, A Phone, 2 threads)"
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    assert [r["trial"] for r in json.loads(out)["rows"]] == [trial.number for trial in trials[:3]]
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    again = "end other programs, then nas measure first --batch 1 --threads 2"
    said = f"busy: 1 of 4 networks measured while a reference kernel took 1.8 times its best on this device (limit 1.25); {again}\n"
    assert said in out
    assert pick(folder, Selection(by="latency")).number == trials[2].number
    axis = cost_axes(trials, read(folder))[name]
    assert axis.of(trials[3]) is None
    assert axis.note.startswith(
        "1 of 4 networks are left out: the machine was busy (a reference kernel took over 1.25 "
    )
    assert axis.quartiles
    assert axis.quartiles(trials[0]) == pytest.approx((1.8, 2.4))
    keep(folder, "A Phone, 2 threads", "another network", {"1": timing(9, 0.5, 0.5)})  # its best was not the best
    assert name not in cost_axes(trials, read(folder))
    assert busy_alone(trials, read(folder)) == [
        f"L{name[1:]} was measured on a busy machine only: end other programs and measure again."
    ]
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, err) == (
        2,
        "error: latency must be measured on a quiet machine, got 4 of 4 networks measured while a reference kernel took "
        f"2.0 to 3.6 times its best on this device (limit 1.25); {again}\n",
    )
    with pytest.raises(InputError, match="latency must be measured on a quiet machine, got 4 of 4 networks"):
        pick(folder, Selection(latency="..5ms"))


def test_of_two_timings_the_one_on_the_quieter_machine_stays(tmp_path: Path) -> None:
    for each in (timing(1, None), timing(2, 3.0), timing(3, 2.0), timing(4, 2.5), timing(5, None)):
        keep(tmp_path, "A Phone", "key", {"1": each})
    assert read(tmp_path)["A Phone"]["key"]["1"] == timing(3, 2.0)
    other = {"A Phone": {"key": {"1": timing(6, 1.0), "64": timing(7, None)}}}
    assert joined([other, read(tmp_path)]) == joined([read(tmp_path), other]) == other


def test_measurements_of_an_older_release_are_read_said_to_be_unchecked_and_made_anew(
    tmp_path: Path, run: Run, brief: None
) -> None:
    folder = make_study(tmp_path, complete=2)
    with threads(1):
        (name,) = device_names(CPU)
    keys = [trial.key or "" for trial in Reader(folder).trials()]
    old = {"device": name, "batch": 1, **timing(2, None), "images_per_second": 500.0}
    (folder / FILE).write_text(json.dumps({name: {key: {"1": old} for key in keys}}))
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, "3,000" in out, "3e+03" in out) == (0, False, False)
    assert "not checked" in " ".join(re.split(r"[^a-z]+", out))
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    found = json.loads(out)["rows"]
    assert [(r["median"], r["mark"], r["slowdown"], r["peak_tensor_bytes"]) for r in found] == [
        (0.002, "not checked", None, None)
    ] * len(found)
    (axis,) = (m for m in cost_axes(Reader(folder).trials(), read(folder)).values() if m.quartiles)
    assert axis.note == "2 of 2 were measured without a check that the machine was not busy."
    assert run("measure", "first", "--runs", tmp_path, "--device", "cpu")[0] == 0
    made = [read(folder)[name][key]["1"] for key in keys]
    assert all("memory" not in each and each["reference"] > 0 and each["peak_tensor_bytes"] > 0 for each in made)


def test_each_network_is_gone_and_its_memory_given_back_before_the_next(
    tmp_path: Path, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Network]] = []
    alive: list[int] = []

    class Seen(Network):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made.append(weakref.ref(self))
            return super().forward(x)

    def watched() -> None:
        give_back_memory()
        alive.append(sum(each() is not None for each in made))

    monkeypatch.setattr("space.network.Network", Seen)
    monkeypatch.setattr("nas.training.allocator.give_back_memory", watched)
    folder = make_study(tmp_path, complete=2)
    measure_study(folder, Reader(folder).trials(), TASK, MeasureOptions(device="cpu", batches=(1, 2)))
    assert made
    assert alive == [0, 0]


def test_a_batch_is_kept_before_the_next_which_may_have_no_room(tmp_path: Path, brief: None) -> None:
    folder = make_study(tmp_path, complete=1)
    with pytest.raises(InputError, match="must fit the memory"):
        measure_study(folder, Reader(folder).trials(), TASK, MeasureOptions(device="cpu", batches=(1, 10**12)))
    ((timings,),) = (networks.values() for networks in read(folder).values())
    assert list(timings) == ["1"]


@pytest.mark.cuda
def test_on_a_gpu_networks_are_measured_eager_and_captured() -> None:
    device = torch.device("cuda", torch.cuda.device_count() - 1)
    task = Task(32)
    network = Network(arch(32), task).to(device).eval()
    reference = ReferenceKernel(device)
    for batch in (1, 64):
        eager, graph = measure(network, task, batch, reference, seconds=0.1)
        assert (eager.device, graph.device) == tuple(device_names(device))
        assert (eager.device.endswith(f", {EAGER}"), graph.device.endswith(f", {CAPTURED}")) == (True, True)
        assert (
            eager.peak_tensor_bytes
            == graph.peak_tensor_bytes
            == peak_tensor_bytes(network, torch.zeros(batch, 3, 32, 32, device=device))
        )
        assert 0 < eager.low <= eager.median <= eager.high
    assert measure(network, task, 1, reference)[1].median < eager.median


@pytest.mark.cuda
def test_a_captured_pass_gives_the_logits_of_an_eager_one_for_new_images() -> None:
    device = torch.device("cuda", torch.cuda.device_count() - 1)
    network = Network(arch(32), Task(32)).to(device).eval()
    images = torch.randn(4, 3, 32, 32, device=device)
    with torch.cuda.device(device), torch.inference_mode():
        replay = captured(network, images)
        for _ in range(2):
            images.copy_(torch.randn_like(images))
            logits = replay().clone()
            torch.testing.assert_close(logits, network(images), rtol=1e-4, atol=1e-5)
        before = stream.cache_info()
        captured(network, images)
        assert stream.cache_info().hits == before.hits + 1, "one for all of a process: each keeps memory of its own"


def test_a_study_is_measured_once_and_its_front_shown(tmp_path: Path, run: Run, brief: None) -> None:
    folder = make_study(tmp_path, complete=4)
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, err) == (2, "error: study must be measured to be ordered by latency, got none; nas measure first\n")
    code, out, err = run("measure", "first", "--runs", tmp_path, "--device", "cpu", "--json")
    assert code == 0, err
    found = json.loads(out)["rows"]
    assert [r["median"] for r in found] == sorted(r["median"] for r in found)
    assert all(0 < r["low"] <= r["median"] <= r["high"] for r in found)
    assert {r["key"] for r in found} == {trial.key for trial in Reader(folder).trials()}
    before = (folder / FILE).read_bytes()
    assert run("measure", "first", "--runs", tmp_path, "--device", "cpu")[0] == 0
    assert (folder / FILE).read_bytes() == before
    assert [path.name for path in folder.glob("measured*")] == [FILE]
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    front = json.loads(out)["rows"]
    assert [r["accuracy"] for r in front] == sorted(r["accuracy"] for r in front)
    assert front[0]["trial"] == found[0]["trial"]
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--columns", "peak,trial")
    assert (code, "peak MB trial" in out) == (0, True)
    frame = nas.Study(folder).front(by="latency")
    assert [*frame.index] == [r["trial"] for r in front]
    assert [*frame["latency"]] == pytest.approx([1e3 * r["median"] for r in front])
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency", "--columns", "key")
    assert (code, err.startswith("error: columns must be of trial, accuracy, seeds, latency, flops, ")) == (2, True)
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency", "--batch", 64)
    assert (code, "batch must be one that was measured, got 64; nas measure first --batch 64" in err) == (2, True)
    assert "not measured so" not in run("front", "first", "--runs", tmp_path, "--by", "latency")[1]
    add_trial(folder, random.Random(5), accuracy=0.5)
    said = "not measured so: 1 of 5 networks; nas measure first --batch 1\n"
    assert said in run("front", "first", "--runs", tmp_path, "--by", "latency")[1]
    keep(folder, "Other GPU", found[0]["key"], {})
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, "by must name one device, got latency; measured: " in err) == (2, True)
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latncy@gpu")
    assert (
        code,
        "by must be flops, params, activations or latency@DEVICE, got latncy@gpu; did you mean latency?" in err,
    ) == (2, True)
    (folder / FILE).write_text("{")
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, "must be JSON, got " in err) == (2, True)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("[]", "[] at the whole"),
        ('{"A Phone": []}', "[] at A Phone"),
        ('{"A Phone": {"k": {"one": {"median": 1, "low": 1, "high": 1}}}}', "one at A Phone, k, one, [key]"),
        ('{"A Phone": {"k": {"1": {"median": "fast", "low": 1, "high": 1}}}}', "fast at A Phone, k, 1, median"),
        ('{"A Phone": {"k": {"1": {"median": 1}}}}', "{'median': 1} at A Phone, k, 1, low"),
    ],
)
def test_a_file_of_another_shape_is_one_error_that_names_it(tmp_path: Path, content: str, got: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError) as refusal:
        read(tmp_path)
    told = f"{tmp_path / FILE} must be as `nas measure` writes it, got {got}; remove it to measure again"
    assert str(refusal.value) == told


WRITER = """
import sys, time
from pathlib import Path
from nas.latency.measurements import keep
folder, name = Path(sys.argv[1]), sys.argv[2]
(folder / f"ready{name}").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
for number in range(10):
    keep(folder, "A Phone", "shared", {f"{name}{number}": {"median": 1.0, "low": 1.0, "high": 1.0}})
"""


def test_processes_that_measure_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(name)]) for name in range(1, 4)]
    while len(list(tmp_path.glob("ready*"))) < 3:
        assert all(writer.poll() is None for writer in writers)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [writer.wait(60) for writer in writers] == [0] * 3
    assert len(read(tmp_path)["A Phone"]["shared"]) == 30
    assert [path.name for path in tmp_path.glob("*measured*") if path.suffix != ".lock"] == [FILE]


def test_a_store_that_a_frozen_process_holds_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.latency.measurements.PATIENCE", 0.1)
    code = f"from filelock import FileLock\nwith FileLock({str(tmp_path / f'.{FILE}.lock')!r}):\n    print(flush=True)\n    input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(InputError, match=r"must be free to write within 0.1 s, got one that another process holds"):
            keep(tmp_path, "A Phone", "key", {})
        holder.kill()
    keep(tmp_path, "A Phone", "key", {})  # no lock outlives its process


def test_a_network_is_picked_by_latency(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=12)
    trials = Reader(folder).trials()
    for trial in trials:  # the more FLOPs the quicker, so that the fronts differ
        assert trial.key
        assert trial.flops
        milliseconds = 1e6 / trial.flops
        keep(folder, "A Phone", trial.key, {"1": timing(milliseconds)})
    latencies = {trial.number: 1e6 / (trial.flops or 1) for trial in trials}
    most = max(trials, key=lambda trial: trial.accuracy or 0)
    assert pick(folder, Selection(by="latency")).number == most.number
    quickest = min(latencies, key=lambda number: latencies[number])
    most_ms = sorted(latencies.values())[3]
    limit = f"..{math.ceil(1e6 * most_ms)}ns"
    chosen = pick(folder, Selection(latency=limit))
    within = [trial for trial in trials if latencies[trial.number] <= most_ms]
    assert chosen.accuracy == max(trial.accuracy or 0 for trial in within)
    bend = pick(folder, Selection(pick="knee", by="latency@phone"))
    front = latency_front(rows(folder, trials, "A Phone", 1))
    assert bend.number in [row.trial.number for row in front]
    with pytest.raises(
        InputError, match=rf"latency must be .* got ..100ns; the nearest has {latencies[quickest]:.3g} ms"
    ):
        pick(folder, Selection(latency="..100ns"))
    with pytest.raises(InputError, match="batch must be one that was measured, got 7; nas measure first --batch 7"):
        pick(folder, Selection(by="latency", batch=7))
    costs = sorted(trial.flops or 0 for trial in trials)
    band = f"{costs[2]}..{costs[4]}"
    inside = [trial for trial in trials if costs[2] <= (trial.flops or 0) <= costs[4]]
    assert pick(folder, Selection(flops=band)).accuracy == max(trial.accuracy or 0 for trial in inside)
    both = [trial for trial in within if (trial.flops or 0) <= costs[-2]]
    chosen = pick(folder, Selection(flops=f"..{costs[-2]}", latency=limit))
    assert chosen.accuracy == max(trial.accuracy or 0 for trial in both)
    assert pick(folder, Selection(accuracy="1%", latency=limit)).number == quickest


def test_the_front_in_latency_stands_beside_random_searchs(tmp_path: Path, run: Run) -> None:
    def measure_all(folder: Path, milliseconds: float) -> list[Trial]:
        trials = list(Reader(folder).trials())
        for place, trial in enumerate(trials, 1):
            keep(folder, "A Phone", trial.key or "", {"1": timing(place * milliseconds)})
        return trials

    measure_all(make_study(tmp_path, "first", complete=6), 1.0)
    other = make_study(tmp_path, "first-random", complete=6, seed=1)
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (
        "baseline: first-random was not measured so while the machine was quiet; nas measure first-random --batch 1\n"
        in out
    )
    beside = measure_all(other, 0.5)
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    best = max(trial.accuracy or 0 for trial in beside)
    assert re.search(
        rf"baseline: first-random, \d networks on its front, .* at 0.50 ms to {best:.2%} at \d.\d0 ms\n", out
    )
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    for row in json.loads(out)["rows"]:
        quick = [trial.accuracy or 0 for place, trial in enumerate(beside, 1) if place * 0.5e-3 <= row["median"]]
        assert row["baseline_accuracy"] == max(quick)


def test_a_network_that_random_search_has_too_is_measured_once_for_both(tmp_path: Path, run: Run, brief: None) -> None:
    folder, other = make_study(tmp_path, complete=2), make_study(tmp_path, "first-random", complete=1)  # the same first
    assert run("measure", other.name, "--runs", tmp_path, "--device", "cpu")[0] == 0
    code, out, err = run("measure", "first", "--runs", tmp_path, "--device", "cpu", "--json")
    assert code == 0, err
    shared, own = (trial.key for trial in Reader(folder).trials())
    found = {row["key"]: row["median"] for row in json.loads(out)["rows"]}
    assert set(found) == {shared, own}
    ((name, networks),) = read(folder).items()
    assert set(networks) == {own}
    assert found[shared] == read(other)[name][shared]["1"]["median"]
    (folder / FILE).unlink()
    assert pick(folder, Selection(by="latency")).key == shared
    (drawn,) = (m for m in cost_axes(Reader(folder).trials(), read(other)).values() if m.quartiles)
    assert [drawn.of(trial) is None for trial in Reader(folder).trials()] == [False, True], "as in the dashboard"


def test_of_a_machines_names_one_is_the_default_and_said(tmp_path: Path, run: Run) -> None:
    folder = make_study(tmp_path, complete=1)
    for way in (EAGER, CAPTURED):
        keep(folder, f"A GPU, {way}", Reader(folder).trials()[0].key or "", {"1": timing(1)})
    said = "latency: A GPU, CUDA graph, by default; --by latency@DEVICE for A GPU, eager"
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, out.splitlines()[-1]) == (0, said)
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    assert [row["device"] for row in json.loads(out)["rows"]] == ["A GPU, CUDA graph"]
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency@eager")
    assert "latency: A GPU" not in out
    for wish in (Selection(latency="..5ms"), Selection(by="latency"), Selection(latency="..5ms", flops="..9M")):
        assert pick_with_words(folder, wish)[1][-1] == said
    for wish in (Selection(), Selection(trial=0), Selection(by="latency@eager")):
        assert not any(line.startswith("latency") for line in pick_with_words(folder, wish)[1])


def test_a_processor_without_a_name_goes_by_its_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr("space.processor.CPUINFO", info)
    nameless = f"{platform.machine()} {platform.node()}, "
    assert device_name(CPU).startswith(nameless), "no such file"
    info.write_text("processor\t: 0\nBogoMIPS\t: 243.75\n")
    assert device_name(CPU).startswith(nameless)
    info.write_text("processor\t: 0\nmodel name\t: A Chip\n")
    assert device_name(CPU).startswith("A Chip, ")


def test_a_network_is_measured_by_itself(run: Run, brief: None) -> None:
    words = ("measure", "convnextv2_atto", "--image-size", 32, "--device", "cpu")
    code, out, _ = run(*words, "--batch", "2,1")
    assert code == 0
    head, *lines = out.splitlines()
    assert head.endswith(" at 32 px, 3 channels, 1,000 classes")
    assert [line.partition(": batch ")[2][:2] for line in lines] == ["1:", "2:"]
    peaks = [float(peak) for peak in re.findall(r"images/s, tensors at the peak ([\d.]+) MB\n", out)]
    parameters = 4e-6 * cost(Arch.load("convnextv2_atto"), Task(32)).params
    assert parameters < peaks[0] < peaks[1] < 1.2 * parameters
    _, out, _ = run(*words, "--json")
    (only,) = json.loads(out)["rows"]
    assert only["slowdown"] == pytest.approx(only["reference"] / only["reference_best"])
    for wrong in ("0", "²", "1,,2", "many"):
        code, _, err = run(*words, "--batch", wrong)
        assert (code, err) == (2, f"error: batch must be whole numbers from 1 on, got {wrong}; write e.g. 1,64\n")
    with pytest.raises(InputError, match=r"batch must be at least 1, got 0; use e.g. 1 or 64"):
        measure(Network(arch(8), Task(8)), Task(8), 0, ReferenceKernel(CPU))


class Greedy(nn.Module):
    """Needs more memory than there is, in a pass."""

    def __init__(self, take: Callable[[], object]) -> None:
        super().__init__()
        self.take = take

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.take()
        return x


def test_what_has_no_room_is_said_and_no_other_error_is_taken_for_it(brief: None) -> None:
    reference, said = ReferenceKernel(CPU), "batch must fit the memory of cpu, got {}; lower it"
    for batch in (10**12, 10**16, 10**23):  # more than an address space, than a size, than a number of torch's
        with pytest.raises(InputError, match=said.format(batch)):
            measure(Network(arch(8), Task(8)), Task(8), batch, reference)
    for take in (lambda: torch.empty(2**50), lambda: bytes(2**60)):
        with pytest.raises(InputError, match=said.format(7)):
            measure(Greedy(take), Task(8), 7, reference)
    with pytest.raises(RuntimeError, match="must match the size"):
        measure(Greedy(lambda: torch.zeros(2) + torch.zeros(3)), Task(8), 1, reference)
