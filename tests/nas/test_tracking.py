"""Trackers, read back with their own readers, offline."""

from __future__ import annotations

import json
import math
import re
import shutil
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.records.trial import Trial
from nas.storage.reader import Reader
from nas.tracking import Tracker, tracker
from tests.nas.conftest import Run

ROOT = Path(__file__).parents[2]
COMMITTED = Reader(ROOT / "runs" / "cifar10")
BASIS = ("top-1 on cifar10's validation split, n = 5,000, 1 seed", "FLOPs: conv + linear multiply-accumulates, batch 1")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a study, as much as trackers read of it."""
    place = tmp_path / "runs" / "cifar10"
    place.mkdir(parents=True)
    shutil.copy(COMMITTED.folder / "study.yaml", place)
    return place


@pytest.fixture(scope="module")
def trials() -> dict[str, Trial]:
    """One of each state, as a search tells of them."""
    found = {each.state: replace(each, curve=tuple(COMMITTED.curve(each.number))) for each in COMMITTED.trials()}
    curve = (replace(found["stopped"].curve[0], loss=math.nan),)
    found["failed"] = replace(found["stopped"], state="failed", reason="loss became nan", curve=curve)
    return {state: found[state] for state in ("complete", "stopped", "failed")}


def track(name: Tracker, folder: Path, trials: dict[str, Trial]) -> None:
    on_trial = tracker(name, folder)
    for number, trial in enumerate(trials.values()):
        on_trial(replace(trial, number=number))


def check_network(params: dict[str, Any], trial: Trial) -> None:
    """Against the plain record of the network."""
    assert trial.arch
    stages = trial.arch["stages"]
    assert params["depths"] == "-".join(str(stage["depth"]) for stage in stages)
    assert params["widths"] == "-".join(str(stage["width"]) for stage in stages)
    assert int(params["depth"]) == sum(stage["depth"] for stage in stages)
    for name in ("block", "kernel", "norm", "act"):
        of_stages = [str(stage[name]) for stage in stages]
        assert str(params[name]) in ("-".join(of_stages), of_stages[0])
        assert ("-" in str(params[name])) == (len(set(of_stages)) > 1)
    assert (int(params["flops"]), int(params["params"])) == (trial.flops, trial.params)
    assert (int(params["seed"]), params["state"], params["key"]) == (trial.seed, trial.state, trial.key)
    assert params.get("reason") == trial.reason


def same(found: list[tuple[int, float]], trial: Trial, name: str) -> bool:
    """Whether a curve by images seen is the trial's, in float32."""
    wanted = [(period.images, getattr(period, name)) for period in trial.curve]
    return [step for step, _ in found] == [step for step, _ in wanted] and [value for _, value in found] == (
        pytest.approx([value for _, value in wanted], rel=1e-6, nan_ok=True)
    )


def test_tensorboard(folder: Path, trials: dict[str, Trial]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    track("tensorboard", folder, trials)
    for number, trial in enumerate(trials.values()):
        board = EventAccumulator(str(folder / "tensorboard" / f"trial-{number}"))
        board.Reload()
        scalars = {
            name: [(event.step, event.value) for event in board.Scalars(name)] for name in board.Tags()["scalars"]
        }
        assert same(scalars["train/loss"], trial, "loss")
        assert same(scalars["val/accuracy"], trial, "accuracy")
        final = [value for _, value in scalars.get("accuracy", [])]
        assert final == ([] if trial.accuracy is None else [pytest.approx(trial.accuracy)])
        (text,) = board.Tensors("basis/text_summary")
        assert all(words in text.tensor_proto.string_val[0].decode() for words in BASIS)
        start = HParamsPluginData.FromString(board.summary_metadata["_hparams_/session_start_info"].plugin_data.content)
        values = {
            name: value.string_value or value.number_value for name, value in start.session_start_info.hparams.items()
        }
        check_network(values, trial)


def test_mlflow(folder: Path, trials: dict[str, Trial], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/kept.db")
    track("mlflow", folder, trials)
    tracker("mlflow", folder)  # the experiment is there already
    client = MlflowClient()
    experiment = client.get_experiment_by_name("cifar10")
    assert experiment
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"trial 0", "trial 1", "trial 2"}
    statuses = ("FINISHED", "KILLED", "FAILED")
    for (number, trial), status in zip(enumerate(trials.values()), statuses, strict=True):
        run = runs[f"trial {number}"]
        check_network(run.data.params, trial)
        for name, field in (("train/loss", "loss"), ("val/accuracy", "accuracy")):
            history = client.get_metric_history(run.info.run_id, name)
            assert same([(each.step, each.value) for each in history], trial, field)
        assert run.data.metrics.get("accuracy") == trial.accuracy
        assert run.info.status == status
        assert trial.started
        assert run.info.start_time == int(trial.started.timestamp() * 1000)
        assert all(words in run.data.tags["mlflow.note.content"] for words in BASIS)
    with sqlite3.connect(tmp_path / "kept.db") as database:
        assert database.execute("select count(*) from runs").fetchone() == (3,)


def records(path: Path) -> list[Any]:
    """Of a run's file: 7 bytes of header, then chunks of a LevelDB log (crc, length, type) in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    content, at, whole, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # full, last
            found.append(Record.FromString(whole))
            whole = b""
    return found


def test_wandb(folder: Path, trials: dict[str, Trial], tmp_path: Path) -> None:
    import wandb

    track("wandb", folder, trials)
    wandb.teardown()  # as at the end of a process: it waits until all is written
    files = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 3
    runs = {each.run.display_name: records(path) for path in files for each in records(path) if each.HasField("run")}
    assert set(runs) == {"trial 0", "trial 1", "trial 2"}
    for number, trial in enumerate(trials.values()):
        found = runs[f"trial {number}"]
        (run,) = [each.run for each in found if each.HasField("run")]
        assert run.project == "cifar10"
        assert all(words in run.notes for words in BASIS)
        config = {each.key: json.loads(each.value_json) for each in run.config.update}
        check_network({name: value for name, value in config.items() if name != "_wandb"}, trial)
        rows = [
            {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in each.history.item}
            for each in found
            if each.HasField("history")
        ]
        for name, field in (("train/loss", "loss"), ("val/accuracy", "accuracy")):
            curve = [(row["_step"], float(row[name])) for row in rows if name in row]
            assert same(curve, trial, field)
        summary = {
            item.key or ".".join(item.nested_key): item.value_json
            for each in found
            if each.HasField("summary")
            for item in each.summary.update
        }
        assert summary.get("accuracy") == (None if trial.accuracy is None else str(trial.accuracy))
    assert not (tmp_path / "home" / ".netrc").exists()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_package_that_is_missing_is_refused_before_anything_is_trained(
    name: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    words = ("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", 1, "--track", name)
    code, out, errors = run(*words)
    assert (code, out) == (2, "")
    wanted = rf"error: track must have {name}, got none \(.*\); pip install -e '\.\[{name}\]' in the clone of nas\n"
    assert re.fullmatch(wanted, errors)
    assert not (tmp_path / "runs").exists()


def test_a_server_that_cannot_be_written_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://here")
    with pytest.raises(nas.InputError, match=r"track must reach MLflow, got .*; correct MLFLOW_TRACKING_URI"):
        tracker("mlflow", folder)


def test_no_login_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own settings: those of wandb are read once."""
    import wandb

    wandb.teardown()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", "/nowhere")
    with pytest.raises(nas.InputError, match=r"track must have a login at wandb, got none; run wandb login, or set"):
        tracker("wandb", folder)
    wandb.teardown()


def test_the_pages_function_is_told_of_each_trial(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is printed, but for fewer trials and epochs."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/tracking.md").read_text(), re.DOTALL)
    assert "trials=30," in code
    exec(compile(code.replace("trials=30,", "trials=2, epochs=1,"), "tracking.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[::2]] == ["complete", "complete"]
    assert all(line.startswith("[(1079, ") for line in lines[1::2])
