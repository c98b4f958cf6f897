"""What of a machine works for a search, and how to get what does not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from space.cache_root import cache_root
from space.processor import cores, model

PYTHON, SYSTEM = (3, 11), "linux"  # that nas was tried on
GIB = 2**30
DISK, MEMORY = 2.0, 2.0  # GiB below which a check says so: decoded pictures, a worker
EXTRAS = {
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "train": ("tensorboard", "timm", "torchvision"),
    "notebook": ("ipykernel", "ipywidgets"),
    "postgres": ("psycopg",),
    "s3": ("boto3",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow-skinny",),
    "wandb": ("wandb",),
}
FOR = {
    "onnx": "exports as ONNX",
    "train": "nas train by convnext or finetune, its TensorBoard files, timm's networks",
    "notebook": "the notebook",
    "postgres": "studies on a server", "s3": "artifacts in a store", "ray": "workers on a cluster",
    "tensorboard": "--track tensorboard", "mlflow": "--track mlflow", "wandb": "--track wandb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """`missing`: a search cannot run without it; `note`: it runs, but."""

    state: Literal["ok", "note", "missing"]
    what: str
    says: str


def checks() -> Iterator[Check]:
    """One at a time, the quick ones first."""
    here = sys.version_info[:2]
    wanted = ".".join(map(str, PYTHON))
    yield Check(
        "ok" if here >= PYTHON else "missing", "Python", f"{sys.version.split()[0]}; {wanted} or newer is needed"
    )
    if sys.platform != SYSTEM:
        yield Check(
            "note", "system", f"{platform.system()}: nas was tried on Linux alone; docs/design.md has what differs"
        )
    yield from _packages()
    yield from _device()
    yield _compiler()
    many = f"{cores()} core{'s' * (cores() > 1)}"
    yield Check("ok", "processor", f"{many} of {model() or 'an unnamed processor'}: --workers {cores()}")
    yield from _memory()
    yield _disk("disk, here", Path.cwd(), "studies and exports are written here")
    yield _disk("disk, cache", cache_root(), "decoded pictures are kept here; NAS_CACHE names another")
    yield from _extras()


def _packages() -> Iterator[Check]:
    for name in ("torch", "optuna", "streamlit"):
        found = _version(name)
        yield Check("ok" if found else "missing", name, found or f"not installed; pip install {name}")


def _device() -> Iterator[Check]:
    if _version("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(number)
            yield Check("ok", f"cuda:{number}", f"{facts.name}, {facts.total_memory / GIB:.0f} GiB")
    else:
        why = "torch is built for the CPU alone" if torch.version.cuda is None else "torch finds no device"
        yield Check("note", "GPU", f"none ({why}): networks train on the CPU, small ones in about half a minute")


def _compiler() -> Check:
    from space.depthwise import kernel

    if kernel() is not None:
        return Check("ok", "C compiler", "compiles the depthwise gradient, 5 to 29 times as fast as torch's")
    return Check("note", "C compiler", "none that works, so the depthwise gradient is torch's, a slow one; install gcc")


def _memory() -> Iterator[Check]:
    names = ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES", "SC_PAGE_SIZE")
    if not hasattr(os, "sysconf") or not set(names) <= set(os.sysconf_names):
        return
    whole, free, page = map(os.sysconf, names)
    text = f"{free * page / GIB:.1f} GiB free of {whole * page / GIB:.1f}; a worker takes 0.5 to 1.5"
    yield Check("ok" if whole * page >= MEMORY * GIB else "note", "memory", text)


def _disk(what: str, folder: Path, use: str) -> Check:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free / GIB
    if not os.access(there, os.W_OK):
        return Check("missing", what, f"{folder} cannot be written; {use}")
    return Check("ok" if free >= DISK else "note", what, f"{free:.1f} GiB free in {folder}; {use}")


def _extras() -> Iterator[Check]:
    for extra, packages in EXTRAS.items():
        lacking = [name for name in packages if _version(name) is None]
        if lacking:
            yield Check("note", extra, f"without {', '.join(lacking)}; for {FOR[extra]}: pip install -e '.[{extra}]'")
        else:
            yield Check("ok", extra, f"{FOR[extra]}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
