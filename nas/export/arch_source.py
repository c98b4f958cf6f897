"""ARCH on a command line: a YAML file, a preset, or an export, which knows its task."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from space import Arch, InputError, Task
from space.reading import is_file, presets

ARCH, PREPROCESS = "arch.yaml", "preprocess.json"  # of an export


def load_network(
    target: str, image_size: int | None = None, channels: int | None = None, classes: int | None = None
) -> tuple[Arch, Task]:
    """The network, and its task: what is told, else its export's, else ImageNet's (224 px, 3 channels, 1,000 classes).
    Raises InputError for what is no network."""
    arch, own = load_arch(target)
    return arch, told_task(own or Task(), image_size, channels, classes)


def told_task(own: Task, image_size: int | None, channels: int | None, classes: int | None) -> Task:
    """`own` but for what is told."""
    told = {"image_size": image_size, "channels": channels, "classes": classes}
    return replace(own, **{name: value for name, value in told.items() if value is not None})


def load_arch(target: str) -> tuple[Arch, Task | None]:
    """The network, and the task of the export that it is of: the folder's, or that of the arch.yaml in it."""
    path = Path(target)
    folder = path.parent if path.name == ARCH else path
    if is_file(folder / ARCH):
        return Arch.load(folder / ARCH), _task_of(folder)
    if path.is_dir() and target not in presets("networks"):
        raise InputError(f"network must be an export with {ARCH}, got the folder {target}; make one with `nas export`")
    return Arch.load(target), None


def _task_of(folder: Path) -> Task | None:
    """The task of an export; None for an arch.yaml that stands alone."""
    path = folder / PREPROCESS
    if not is_file(path):
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return Task(plain["image_size"], plain["channels"], len(plain["classes"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} must be an export's, got {error!r}; export the network again") from error
