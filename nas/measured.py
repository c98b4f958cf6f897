"""Latency as a third column: networks of a study measured on a device, kept in its folder, and the front in latency.

`measured.json` in the study's folder: device name -> network key -> batch -> timing. Latency does not depend on
weights, so networks are built afresh.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from nas.files import write_whole
from nas.front import accuracy, baseline_of, merged
from nas.measures import Measure, latency
from nas.trials import Reader, Trial
from nas.words import describe
from space import Arch, InputError, Task, compact
from space.reading import nearest

if TYPE_CHECKING:
    from rich.table import Table

    from nas.measure import Timing

FILE = "measured.json"
PATIENCE = 30.0  # seconds for another process to write the file, which takes milliseconds
AXIS = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A network of a study and its latency on one device at one batch size, in seconds per batch."""

    trial: Trial
    device: str
    batch: int
    median: float
    low: float
    high: float
    memory: int | None

    def to_json(self) -> dict[str, Any]:
        found = {"trial": self.trial.number, "key": self.trial.key, "accuracy": self.trial.accuracy}
        return {**found, "flops": self.trial.flops, **{k: v for k, v in asdict(self).items() if k != "trial"}}


def measure_arch(arch: Arch, task: Task, device: str, batches: Sequence[int]) -> list[Timing]:
    """One network with fresh weights, a timing per batch size."""
    import torch

    from nas.measure import measure
    from nas.train import choose_device
    from space.network import Network

    target = choose_device(device)
    torch.manual_seed(0)
    network = Network(arch, task).to(target)
    return [measure(network, task, batch, target) for batch in batches]


def measure_study(
    folder: Path,
    trials: Iterable[Trial],
    task: Task,
    device: str,
    batches: Sequence[int],
    on_network: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Measures every network that was trained to its end and was not measured on this device yet; keeps each at once.

    Returns the device's name.
    """
    from nas.measure import device_name
    from nas.train import choose_device

    name = device_name(choose_device(device))
    networks = [trial for trial in merged(trials) if trial.key is not None]
    for done, trial in enumerate(networks):
        on_network(done, len(networks))
        assert trial.key is not None
        there = read(folder).get(name, {}).get(trial.key, {})
        missing = [batch for batch in batches if str(batch) not in there]
        if missing:
            timings = measure_arch(trial.network(), task, device, missing)
            keep(folder, name, trial.key, {str(t.batch): t.to_json() for t in timings})
    return name


def parse_batches(words: str) -> list[int]:
    """`1,64`. Raises InputError for what is no list of whole numbers from 1 on."""
    parts = [part.strip() for part in words.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"batch must be whole numbers from 1 on, got {words}; write e.g. 1,64")
    return sorted({int(part) for part in parts})


def read(folder: Path) -> dict[str, Any]:
    """What was measured; empty where nothing was. Raises InputError for a damaged file."""
    path = folder / FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path} must be JSON, got {error}; remove it to measure again") from error
    return found


def joined(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What was measured beside several studies: a network takes as long in one as in the other."""
    every: dict[str, Any] = {}
    for measured in found:
        for device, networks in measured.items():
            for key, timings in networks.items():
                every.setdefault(device, {}).setdefault(key, {}).update(timings)
    return every


def keep(folder: Path, device: str, key: str, timings: dict[str, Any]) -> None:
    """Adds a network's timings to the file, to whatever other processes have added meanwhile."""
    with _locked(folder):
        found = read(folder)
        found.setdefault(device, {}).setdefault(key, {}).update(timings)
        write_whole(folder / FILE, json.dumps(found, indent=1))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone with the file: the kernel's lock on a file beside it, which ends with its process."""
    lock = FileLock(folder / f".{FILE}.lock", timeout=PATIENCE, poll_interval=0.01)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{FILE} must be free to write within {PATIENCE:g} s, got one that another process holds; "
            "end or resume that `nas measure`"
        ) from error
    try:
        yield
    finally:
        lock.release()


def rows(folder: Path, trials: Iterable[Trial], device: str, batch: int) -> list[Measured]:
    """The networks measured on `device` at `batch`, by latency. Raises InputError where there is none."""
    there = read(folder).get(device, {})
    found = []
    for trial in merged(trials):
        timing = there.get(trial.key, {}).get(str(batch))
        if timing is not None:
            values = {name: timing[name] for name in ("median", "low", "high", "memory")}
            found.append(Measured(trial=trial, device=device, batch=batch, **values))
    if not found:
        raise _unmeasured(folder, batch)
    return sorted(found, key=lambda row: (row.median, -accuracy(row.trial)))


def latency_front(found: Sequence[Measured]) -> list[Measured]:
    """Those that no other beats in both accuracy and latency, by rising latency."""
    front: list[Measured] = []
    for row in found:
        if not front or accuracy(row.trial) > accuracy(front[-1].trial):
            front.append(row)
    return front


def baseline_front(folder: Path, device: str, batch: int) -> list[Measured] | None:
    """The front in latency of the random search beside a study: None without one, empty where it was not measured."""
    beside = baseline_of(folder)
    if beside is None:
        return None
    measured = any(str(batch) in timings for timings in read(beside).get(device, {}).values())
    return latency_front(rows(beside, Reader(beside).trials(), device, batch)) if measured else []


def reached(front: Sequence[Measured], row: Measured) -> float | None:
    """The best accuracy of a front in no more time than this network's."""
    return max((accuracy(other.trial) for other in front if other.median <= row.median), default=None)


def baseline_line(folder: Path, front: Sequence[Measured] | None, batch: int) -> str | None:
    """What `baseline_front` found, in words."""
    if front is None:
        return None
    name = f"{folder.resolve().name}-random"
    if not front:
        return f"baseline: {name} was not measured so; nas measure {name} --batch {batch}"
    words = " to ".join(f"{accuracy(row.trial):.2%} at {1e3 * row.median:.2f} ms" for row in (front[0], front[-1]))
    return f"baseline: {name}, {len(front)} networks on its front, {words}"


def find_device(folder: Path, by: str) -> str:
    """The device that `latency@WORDS` means: the only one whose name has WORDS in it; `latency` for the only one."""
    axis, _, words = by.partition("@")
    if axis != AXIS:
        raise InputError(f"by must be flops or latency@DEVICE, got {by}; {nearest(axis, ['flops', AXIS])}")
    devices = list(read(folder))
    if not devices:
        raise InputError(f"study must be measured to be ordered by latency, got none; nas measure {folder.name}")
    found = [name for name in devices if words.lower() in name.lower()]
    if len(found) != 1:
        raise InputError(f"by must name one device, got {by}; measured: {'; '.join(devices)}")
    return found[0]


def axis(folder: Path, by: str, batch: int) -> Measure:
    """The measure that `latency@WORDS` means. Raises InputError for a device or batch that was not measured."""
    device = find_device(folder, by)
    networks = read(folder)[device]
    if not any(str(batch) in timings for timings in networks.values()):
        raise _unmeasured(folder, batch)
    return latency(networks, device, batch)


def _unmeasured(folder: Path, batch: int) -> InputError:
    return InputError(f"batch must be one that was measured, got {batch}; nas measure {folder.name} --batch {batch}")


def table(found: Sequence[Measured], title: str) -> Table:
    """Measured networks, those on the front in latency marked."""
    from rich.table import Table

    made = Table(title=title, title_justify="left", caption_justify="left")
    for name in ("trial", "accuracy", "latency", "quartiles", "images/s", "FLOPs"):
        made.add_column(name, justify="right")
    made.add_column("network")
    made.add_column("")
    front = {row.trial.number for row in latency_front(found)}
    for row in found:
        made.add_row(
            str(row.trial.number), f"{accuracy(row.trial):.2%}", f"{1e3 * row.median:.2f} ms",
            f"{1e3 * row.low:.2f} to {1e3 * row.high:.2f}", f"{row.batch / row.median:,.0f}",
            compact(row.trial.flops or 0), describe(row.trial.network()), "front" if row.trial.number in front else "",
        )  # fmt: skip
    first = found[0] if found else None
    made.caption = (
        f"latency: median of forward passes of a batch of {first.batch if first else 1} in float32, synchronised, on "
        f"{first.device if first else 'no device'}. FLOPs: conv + linear multiply-accumulates, batch 1. accuracy: "
        "validation top-1, mean of a network's seeds."
    )
    return made
