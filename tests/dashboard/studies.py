"""Study folders for tests, made with Optuna's own API and without training: drawn networks, invented accuracies."""

from __future__ import annotations

import json
import os
import random
import socket
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.trial import TrialState, create_trial

from nas.data.sheet import jpeg
from nas.export.arch_source import PREPROCESS
from nas.export.kept import Kept, Mistake, folder_of
from nas.latency.measurements import keep
from nas.records.data_card import Augment, DataCard
from nas.records.look import Look
from nas.records.recipe import Recipe
from nas.records.settings import ARTIFACTS, JOURNAL, SAMPLES, Settings
from nas.records.trial import CURVE
from nas.storage.journal import open_file
from nas.storage.reader import Reader
from space import Arch, Band, Budget, Space, Task, cost

BAND, TASK = Band(1_000_000, 4_000_000), Task(8, 1, 10)
SPACE = Space.load("digits")
PERIOD = 1000  # images; a training has ten
HOSTILE = "<img src=x onerror=alert(1)>"


LOOK = Look(
    counts={"train": {"cat": 90, "dog": 10}, "validation": {"cat": 9, "dog": 1}, "test": {"cat": 18, "dog": 2}},
    came_from={"train": "folders such as train/cat", "validation": "held out of train", "test": "folders such as test/cat"},
    sizes={"16x16": 130}, modes={"RGB": 129, "P": 1}, flat=2, duplicates=3, across_splits=1,
    mirror="a linear probe reads 70% of images and 71% of their mirror images", notes=("folders without pictures: emu",),
    named={"flat": (("train/cat/1.png",), ("train/cat/2.png",)), "duplicates": (("train/cat/3.png", "train/dog/3.png"),)},
)  # fmt: skip


def seen_data(folder: Path) -> None:
    """Gives a study what was seen of its data, and a sheet of samples."""
    settings = Settings.read(folder)
    replace(settings, data=replace(settings.data, look=LOOK, augment=Augment(crop=2, flip=True))).write(folder)
    (folder / SAMPLES).write_bytes((Path(__file__).parents[2] / "docs/front.png").read_bytes())


def make_settings(name: str, **changes: Any) -> Settings:
    """A study of the digits space at 1M..4M."""
    plain: dict[str, Any] = {
        "name": name,
        "created": "2025-11-21T02:00:00Z",
        "command": f"nas search {name} --data digits --flops 1M..4M --trials 30",
        "space_name": "digits",
        "space": SPACE.to_dict(),
        "flops_low": BAND.low,
        "flops_high": BAND.high,
        "data": DataCard(
            source="digits", name="digits", fingerprint="0" * 16, image_size=8, channels=1,
            classes=tuple("0123456789"), train=1077, validation=360, test=360,
        ),
        "recipe": Recipe(images=10 * PERIOD, period_images=PERIOD).settled(1077).to_dict(),
        "sampler": "random" if name.endswith("-random") else "tpe",
        "seed": 0,
        "device": "cpu",
        "versions": {"nas": "0.1.0"},
    }  # fmt: skip
    return Settings(**(plain | changes))


def make_study(runs: Path, name: str = "first", complete: int = 30, seed: int = 0, **states: int) -> Path:
    """A study's folder with so many finished trials; `states` adds others: failed=2, running=1, ..."""
    folder = runs / name
    folder.mkdir(parents=True)
    make_settings(name).write(folder)
    (folder / JOURNAL).touch()
    storage = open_file(folder / JOURNAL)
    optuna.create_study(storage=storage, study_name=name, directions=["maximize", "minimize"])
    rng = random.Random(seed)
    for _ in range(complete):
        add_trial(folder, rng)
    for state, number in states.items():
        for _ in range(number):
            add_trial(folder, rng, state)
    return folder


def make_drawn(runs: Path, name: str, complete: int = 30, seed: int = 0, shift: float = 0.0, **changes: Any) -> Path:
    """A study of random networks, so many points of accuracy above others; `changes` to its settings."""
    folder = runs / name
    folder.mkdir(parents=True)
    make_settings(name, **({"sampler": "random", "seed": seed} | changes)).write(folder)
    optuna.create_study(storage=open_file(folder / JOURNAL), study_name=name, directions=["maximize", "minimize"])
    rng = random.Random(seed)
    for _ in range(complete):
        add_trial(folder, rng, accuracy=round(0.6 + shift + rng.gauss(0, 0.02), 4))
    return folder


def make_imbalanced(runs: Path, metric: str = "balanced", complete: int = 6) -> Path:
    """A study of two classes, 324 and 36 validation images; the more FLOPs, the more of the rare class are told."""
    folder = runs / "rare"
    folder.mkdir(parents=True)
    settings = make_settings("rare", metric=metric)
    replace(settings, data=replace(settings.data, classes=("many", "few"))).write(folder)
    optuna.create_study(storage=open_file(folder / JOURNAL), study_name="rare", directions=["maximize", "minimize"])
    rng = random.Random(0)
    for number in range(complete):
        few = 6 * number
        score = (300 / 324 + few / 36) / 2 if metric == "balanced" else (300 + few) / 360
        add_trial(folder, rng, accuracy=score, counts=[[300, few], [324, 36]])
    return folder


def add_trial(
    folder: Path,
    rng: random.Random,
    state: str = "complete",
    *,
    repeat_of: int | None = None,
    accuracy: float | None = None,
    **attrs: Any,
) -> None:
    """One trial more, appended to the journal as a search would; with a curve where it is complete.

    `repeat_of`: the network of that trial, with another accuracy.
    """
    storage = open_file(folder / JOURNAL)
    study = optuna.load_study(study_name=None, storage=storage)
    kinds = {"complete": TrialState.COMPLETE, "running": TrialState.RUNNING, "waiting": TrialState.WAITING}
    kind = kinds.get(state, TrialState.PRUNED if state in ("outside", "repeat", "stopped") else TrialState.FAIL)
    arch = SPACE.random_arch(rng, TASK, Budget(flops=BAND))
    if repeat_of is not None:
        arch = Arch.from_dict(storage.get_all_trials(0, deepcopy=False)[repeat_of].user_attrs["arch"], "repeat")
        attrs["repeat_of"] = repeat_of
    total = cost(arch, TASK)
    drawn = round(0.90 + 0.035 * (total.flops / 1e6) ** 0.5 - rng.expovariate(60), 4)
    accuracy = drawn if accuracy is None else accuracy
    user: dict[str, Any] = {
        "arch": arch.to_dict(), "flops": total.flops, "params": total.params, "activations": total.activations,
        "key": arch.key, "seed": 0, "seconds": round(rng.uniform(2, 9), 2),
        "owner": {"host": socket.gethostname(), "pid": os.getpid()},
    }  # fmt: skip
    if state == "stopped":
        user |= {"reason": "below its rivals after 2K images", "periods": 2}
    if state == "failed":
        user["reason"] = "training must stay finite, got loss nan after 2K images; lower lr"
    if kind.is_finished() and state != "complete":
        user["outcome"] = state
    if state == "complete":  # as a search does: running, then its files, then told
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=user | attrs))
        number = storage.get_n_trials(0) - 1
        add_curve(folder, number, accuracy)
        study.tell(number, [accuracy, float(total.flops)])
    else:
        study.add_trial(create_trial(state=kind, user_attrs=user | attrs))


def add_curve(folder: Path, number: int, accuracy: float, periods: int = 10) -> None:
    """A curve that ends at `accuracy`, as an Optuna artifact of a trial that runs."""
    storage = open_file(folder / JOURNAL)
    trial = storage.get_all_trials(0, deepcopy=False)[number]
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    rise = [accuracy * (1 - 0.6**e) / (1 - 0.6**periods) for e in range(1, periods + 1)]
    rows = [
        f"{e},{e * PERIOD},{2.3 * 0.7**e:.4f},{share:.4f},{0.4 * e:.2f},{share:.4f}" for e, share in enumerate(rise, 1)
    ]
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / CURVE
        path.write_text("\n".join(["period,images,loss,accuracy,seconds,balanced", *rows]) + "\n")
        upload_artifact(
            artifact_store=FileSystemArtifactStore(folder / ARTIFACTS),
            file_path=str(path),
            study_or_trial=trial,
            storage=storage,
        )


def give_sign_of_life(folder: Path) -> None:
    """As a search's workers do for what is in training."""
    storage = open_file(folder / JOURNAL)
    for trial in storage.get_all_trials(0, states=(TrialState.RUNNING,)):
        storage.set_trial_user_attr(trial._trial_id, "beat", round(time.time(), 1))


def damage(folder: Path, line: int = 3) -> None:
    """Makes one line in the middle of the journal unreadable."""
    path = folder / JOURNAL
    lines = path.read_text().splitlines()
    lines[line - 1] = lines[line - 1][:20] + "\x00garbage"
    path.write_text("\n".join(lines) + "\n")


def tear(folder: Path) -> None:
    """Ends the journal in the middle of a line, as a writer does that is just writing."""
    with (folder / JOURNAL).open("a") as file:
        file.write(json.dumps({"op_code": 4, "worker_id": "x"})[:15])


def timed(folder: Path, device: str) -> None:
    """As if `nas measure` had found that every network takes a nanosecond a FLOP."""
    for trial in Reader(folder).trials():
        seconds = 1e-9 * (trial.flops or 0)
        timing = {"median": seconds, "low": 0.9 * seconds, "high": 1.1 * seconds, "memory": None}
        keep(folder, device, trial.key or "", {"1": timing})


def make_export(folder: Path, kept: bool = True) -> Path:
    """What of an export the dashboard looks at, with predictions kept as `nas predict` keeps them."""
    folder.mkdir(parents=True)
    (folder / PREPROCESS).write_text("{}")
    if kept:
        picture = jpeg(np.full((8, 8, 1), 99, np.uint8))
        found = Kept(
            created="2026-01-02T03:04:05Z", paths=("/data/test",), split="test", format="own",
            classes=(HOSTILE, "dog", "emu"), confusion=((8, 2, 0), (4, 4, 0), (0, 0, 0)),
            mistakes=(Mistake("/data/test/dog/1.png", 1, 0, 0.9, picture),), notes=("3 pictures are grey",), broken=1,
        )  # fmt: skip
        folder_of(folder).mkdir()
        (folder_of(folder) / "test-00000000.json").write_text(json.dumps(asdict(found)))
    return folder
