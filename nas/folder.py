"""A study's folder: what it is begun with, what a later search must share with it, and how far it shall go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from nas.server import connect
from nas.settings import FILE, JOURNAL, STUDY, Settings
from nas.store import open_for_writing
from space import InputError

DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)  # validation accuracy, FLOPs
GOAL = "goal"  # the study's attribute: {"trials": ..., "repeats": ...} in all
PACKAGES = ("nas", "torch", "optuna", "numpy", "datasets", "scikit-learn")

optuna.logging.set_verbosity(optuna.logging.WARNING)


def package_versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    return {name: version(name) for name in PACKAGES}


def open_folder(folder: Path, settings: Settings) -> list[str]:
    """Makes the study's folder, or checks that the one there was started with the same settings.

    Returns notes (other versions or device). Raises InputError with the first difference otherwise.
    """
    if not (folder / FILE).exists():
        if (folder / JOURNAL).exists():
            raise InputError(f"study must have its {FILE}, got a folder {folder} without it; restore it or use --study")
        folder.mkdir(parents=True, exist_ok=True)
        settings.write(folder)
        return []
    began = Settings.read(folder)
    old, new = asdict(began) | {"recipe": began.build_recipe().to_dict()}, asdict(settings)
    for key in ("flops_low", "flops_high", "sampler", "stop", "seed", "space", "recipe", "data"):
        _same(key, old[key], new[key], folder)
    if settings.server and (began.server is None or began.server.url != settings.server.url):
        _same("storage", began.server.url if began.server else "the journal in its folder", settings.server.url, folder)
    was = {"device": old["device"], **old["versions"]}
    now = {"device": new["device"], **new["versions"]}
    return [
        f"{key} was {was[key]} when the study began, is now {now.get(key)}" for key in was if was[key] != now.get(key)
    ]


def open_study(folder: Path, on_note: Callable[[str], None]) -> tuple[optuna.Study, BaseStorage]:
    """Optuna's study, and its storage, to be written to: the folder's journal, or on the server that it names."""
    server = Settings.read(folder).server
    storage = connect(server, on_note) if server else open_for_writing(folder, on_note)
    name = server.study if server else STUDY
    return optuna.create_study(study_name=name, storage=storage, directions=DIRECTIONS, load_if_exists=True), storage


def set_goal(study: optuna.Study, trials: int, repeats: int) -> None:
    """Puts on record how far a study shall go: what workers that join it take up."""
    study.set_user_attr(GOAL, {"trials": trials, "repeats": repeats})


def goal(study: optuna.Study) -> tuple[int, int] | None:
    """Trials and repeats, in all, of the last `set_goal`."""
    found = study.user_attrs.get(GOAL)
    return None if found is None else (int(found["trials"]), int(found["repeats"]))


def _same(field: str, old: Any, new: Any, folder: Path) -> None:
    """Raises InputError at the first place where two settings differ. A data source may move; its images may not."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old | new:
            if (field, key) not in (("data", "source"), ("data", "name")):
                _same(f"{field}.{key}", old.get(key), new.get(key), folder)
    elif old != new:
        raise InputError(
            f"{field} must be {old} to resume {folder.name}, got {new}; start another study with --study NAME"
        )
