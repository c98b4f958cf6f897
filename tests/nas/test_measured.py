"""Latency: kept by device and network, the front in it, and what happens to damaged or missing measurements."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from nas.measure import measure
from nas.measured import FILE, Measured, keep, latency_front, read, rows
from nas.pick import Wish, pick
from nas.trials import Reader, Trial
from space import InputError, Task
from space.network import Network
from tests.dashboard.studies import make_study
from tests.nas.conftest import Run
from tests.space.networks import arch


def row(latency: float, score: float, number: int = 0) -> Measured:
    trial = Trial(number=number, state="complete", accuracy=score, flops=1)
    return Measured(trial=trial, device="d", batch=1, median=latency, low=latency, high=latency, memory=None)


def test_the_front_rises_in_accuracy_and_latency() -> None:
    rows = [row(1, 0.5), row(2, 0.4), row(3, 0.6), row(4, 0.6)]
    assert latency_front(rows) == [rows[0], rows[2]]


def test_a_study_is_measured_once_and_its_front_shown(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.measure.SECONDS", 0.0)
    monkeypatch.setattr("nas.measure.ROUNDS", 4)
    folder = make_study(tmp_path, complete=4)
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, err) == (2, "error: study must be measured to be ordered by latency, got none; nas measure first\n")
    code, out, err = run("measure", "first", "--runs", tmp_path, "--device", "cpu", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [r["median"] for r in found] == sorted(r["median"] for r in found)
    assert all(0 < r["low"] <= r["median"] <= r["high"] for r in found)
    assert {r["key"] for r in found} == {trial.key for trial in Reader(folder).trials()}
    before = (folder / FILE).read_bytes()
    assert run("measure", "first", "--runs", tmp_path, "--device", "cpu")[0] == 0
    assert (folder / FILE).read_bytes() == before
    assert [path.name for path in folder.glob("measured*")] == [FILE]
    code, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    front = json.loads(out)
    assert [r["accuracy"] for r in front] == sorted(r["accuracy"] for r in front)
    assert front[0]["trial"] == found[0]["trial"]
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency", "--batch", 64)
    assert (code, "batch must be one that was measured, got 64; nas measure first --batch 64" in err) == (2, True)
    keep(folder, "Other GPU", "key", {})
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, "by must name one device, got latency; measured: " in err) == (2, True)
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latncy@gpu")
    assert (code, "by must be flops or latency@DEVICE, got latncy@gpu; did you mean latency?" in err) == (2, True)
    (folder / FILE).write_text("{")
    code, _, err = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert (code, "must be JSON, got " in err) == (2, True)


WRITER = """
import sys, time
from pathlib import Path
from nas.measured import keep
folder, name = Path(sys.argv[1]), sys.argv[2]
(folder / f"ready{name}").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
for number in range(10):
    keep(folder, "A Phone", "shared", {f"{name}{number}": {"median": 1.0}})
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
    monkeypatch.setattr("nas.measured.PATIENCE", 0.1)
    code = f"from filelock import FileLock\nwith FileLock({str(tmp_path / f'.{FILE}.lock')!r}):\n    print(flush=True)\n    input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as holder:
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
        keep(folder, "A Phone", trial.key, {"1": {"median": milliseconds / 1e3, "low": 0, "high": 0, "memory": None}})
    latencies = {trial.number: 1e6 / (trial.flops or 1) for trial in trials}
    most = max(trials, key=lambda trial: trial.accuracy or 0)
    assert pick(folder, Wish(by="latency")).number == most.number
    quickest = min(latencies, key=lambda number: latencies[number])
    limit = sorted(latencies.values())[3]
    chosen = pick(folder, Wish(max_latency=limit))
    within = [trial for trial in trials if latencies[trial.number] <= limit]
    assert chosen.accuracy == max(trial.accuracy or 0 for trial in within)
    bend = pick(folder, Wish(pick="knee", by="latency@phone"))
    front = latency_front(rows(folder, trials, "A Phone", 1))
    assert bend.number in [row.trial.number for row in front]
    with pytest.raises(
        InputError, match=rf"max-latency must be at least {latencies[quickest]:.3g} ms, .* got 0.0001 ms"
    ):
        pick(folder, Wish(max_latency=0.0001))
    with pytest.raises(InputError, match="batch must be one that was measured, got 7; nas measure first --batch 7"):
        pick(folder, Wish(by="latency", batch=7))
    with pytest.raises(InputError, match="max-flops must stand without --by, got latency; use --max-latency"):
        pick(folder, Wish(max_flops="1M", by="latency"))
    with pytest.raises(InputError, match="must have one of --trial, --pick, --max-flops, --max-latency, got several"):
        pick(folder, Wish(max_flops="1M", max_latency=3))


def test_the_front_in_latency_stands_beside_random_searchs(tmp_path: Path, run: Run) -> None:
    def measure_all(folder: Path, milliseconds: float) -> list[Trial]:
        trials = list(Reader(folder).trials())
        for place, trial in enumerate(trials, 1):
            timing = {"median": place * milliseconds / 1e3, "low": 0, "high": 0, "memory": None}
            keep(folder, "A Phone", trial.key or "", {"1": timing})
        return trials

    measure_all(make_study(tmp_path, "first", complete=6), 1.0)
    other = make_study(tmp_path, "first-random", complete=6, seed=1)
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    assert "baseline: first-random was not measured so; nas measure first-random --batch 1\n" in out
    beside = measure_all(other, 0.5)
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency")
    best = max(trial.accuracy or 0 for trial in beside)
    assert re.search(
        rf"baseline: first-random, \d networks on its front, .* at 0.50 ms to {best:.2%} at \d.\d0 ms\n", out
    )
    _, out, _ = run("front", "first", "--runs", tmp_path, "--by", "latency", "--json")
    for row in json.loads(out):
        quick = [trial.accuracy or 0 for place, trial in enumerate(beside, 1) if place * 0.5e-3 <= row["median"]]
        assert row["baseline_accuracy"] == max(quick)


def test_a_network_is_measured_by_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.measure.SECONDS", 0.0)
    monkeypatch.setattr("nas.measure.ROUNDS", 2)
    words = ("measure", "convnextv2_atto", "--image-size", 32, "--device", "cpu")
    code, out, _ = run(*words, "--batch", "2,1")
    assert code == 0
    assert [line.partition(": batch ")[2][:2] for line in out.splitlines()] == ["1:", "2:"]
    assert "images/s, peak memory " in out
    code, _, err = run(*words, "--batch", "0")
    assert (code, err) == (2, "error: batch must be whole numbers from 1 on, got 0; write e.g. 1,64\n")
    with pytest.raises(InputError, match=r"batch must be at least 1, got 0; use e.g. 1 or 64"):
        measure(Network(arch(8), Task(8)), Task(8), 0, torch.device("cpu"))
