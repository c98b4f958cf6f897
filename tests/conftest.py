"""What all tests share: quiet threads, a tiny space and study, and no silent skips."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # a busy one is no failure
settings.load_profile("any machine")
# Hundreds of processes are started: each would compile torch and Streamlit anew where the environment forbids to keep that.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
MEMORY = Path("/dev/shm")  # a journal is synchronised at each entry, for which a disk takes 5 ms and this nothing
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 << 30 and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores

TINY_SPACE = """
image_size: 8
axes:
  stages: [2]
  depth: [2, 3]
  width: {low: 8, high: 32, step: 8}
  growth: [1.0, 2.0]
  block: {each_stage: [convnext, modulation]}
  kernel: [3, 5]
  expansion: [1, 2]
  norm: [ln, bn]
  stem.stride: [2]
  layer_scale: [null]
"""
TINY_RECIPE = "epochs: 2\ntrain_images: 256\n"
WITHOUT_CUDA = "without_cuda"


def pytest_xdist_auto_num_workers() -> int:
    """One more than cores: tests wait for servers, browsers and leases too."""
    return min(4, len(os.sched_getaffinity(0)) + 1) if hasattr(os, "sched_getaffinity") else 2


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported stays: looking through it for garbage would take a fifth of the time."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tests, and the processes that they start, keep for later: decoded data, compiled kernels, names of
    servers. It stays out of the user's."""
    os.environ["NAS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture
def tiny_space(tmp_path: Path) -> Path:
    """A space of networks that train in a blink on 8 px images: 20K to 300K FLOPs."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY_SPACE)
    return path


@pytest.fixture
def tiny_recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(TINY_RECIPE)
    return path


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "cuda(devices=1): needs so many CUDA devices; without them it is listed as not run"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves out what needs more CUDA devices than there are, the only reason that CI takes."""
    needed = max((marker.kwargs.get("devices", 1) for marker in item.iter_markers("cuda")), default=0)
    if not needed:
        return
    import torch

    if (there := torch.cuda.device_count()) < needed:
        item.user_properties.append((WITHOUT_CUDA, needed))
        pytest.skip(f"needs {needed} CUDA device{'s' * (needed > 1)}, got {there}")


@pytest.fixture(scope="module")
def only_cluster() -> Iterator[None]:
    """Ray takes a cluster that it finds on the machine for its own: no two at once, in whatever process."""
    with FileLock(Path(tempfile.gettempdir()) / "nas-tests-ray.lock"):
        yield


def without_cuda(reporter: Any) -> list[Any]:
    """Reports of the tests that were left out for want of devices."""
    skipped = reporter.stats.get("skipped", [])
    return [report for report in skipped if WITHOUT_CUDA in dict(report.user_properties)]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What this machine cannot show is said test by test, so that no one takes it for tested."""
    if missing := without_cuda(terminalreporter):
        terminalreporter.write_line(f"not run, for want of CUDA devices ({len(missing)}):")
        for report in missing:
            terminalreporter.write_line(f"    {report.nodeid}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With CI=true a test that was left out is a failure: CI has all that the tests need, but for CUDA devices."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true":
        return
    skipped = len(reporter.stats.get("skipped", [])) - len(without_cuda(reporter))
    if skipped and session.exitstatus == 0:
        reporter.write_line(f"{skipped} tests were left out, which CI does not allow", red=True)
        session.exitstatus = 1
