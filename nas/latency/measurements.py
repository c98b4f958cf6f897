"""Latency as a third column: networks of a study measured on a device, kept in its folder, and the front in latency.

`measured.json` in the study's folder: device name -> network key -> batch -> timing. Latency does not depend on
weights, so networks are built afresh. What older releases wrote has neither a reference kernel's time nor the network's
own memory (theirs, `memory`, was the process's): its latencies are marked as not checked, and measured again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from nas.analysis import cost_axes
from nas.analysis.cost_axes import CostAxis, is_busy, latency, mark, reference_best, slowdown
from nas.analysis.pareto import accuracy, baseline_of, merged, points
from nas.latency.device_names import Device, meant, threads_of
from nas.records.files import write_whole
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import Arch, InputError, Task
from space.reading import nearest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from nas.latency.reference_kernel import Reference
    from nas.latency.timing import Timing

FILE = "measured.json"
PATIENCE = 30.0  # seconds for another process to write the file, which takes milliseconds
AXIS = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """On which device, at which batch sizes, and with how many threads of the CPU networks are measured."""

    device: str = "auto"
    batches: Sequence[int] = (1,)
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A network of a study and its latency on one device at one batch size, in seconds per batch."""

    trial: Trial  # at the mean accuracy of its seeds
    seeds: int = 1
    device: str
    batch: int
    median: float
    low: float
    high: float
    slowdown: (
        float | None
    )  # of a reference kernel meanwhile, times its best: `nas.analysis.cost_axes`; None before there was one
    peak_tensor_bytes: (
        int | None
    )  # `nas.latency.tensor_memory`; older releases wrote the process's peak, under another name

    @property
    def mark(self) -> str:
        return mark(self.slowdown)

    def to_json(self) -> dict[str, Any]:
        found = {"trial": self.trial.number, "key": self.trial.key, "accuracy": self.trial.accuracy}
        plain = {k: v for k, v in asdict(self).items() if k != "trial"}
        return {**found, "flops": self.trial.flops, **plain, "mark": self.mark}


def measure_arch(arch: Arch, task: Task, how: MeasureOptions) -> list[Timing]:
    """One network with fresh weights: of each batch size one timing on a CPU, two on a GPU."""
    from nas.latency.reference_kernel import Reference, threads
    from nas.training.device import choose_device

    with threads(how.threads):
        return list(_timings(arch, task, how.batches, Reference(choose_device(how.device))))


def measure_study(
    folder: Path,
    trials: Iterable[Trial],
    task: Task,
    how: MeasureOptions,
    on_network: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Measures every network that was trained to its end and was not measured so yet, or not on a quiet machine;
    keeps each at once. Returns the names that they are kept under."""
    from nas.latency.reference_kernel import Reference, threads
    from nas.latency.timing import device_names
    from nas.training.allocator import give_back_memory
    from nas.training.device import choose_device

    networks = [trial for trial in merged(trials) if trial.key is not None]
    with threads(how.threads):
        target = choose_device(how.device)
        names = device_names(target)
        bests = filter(None, (reference_best(_around(folder).get(name, {})) for name in names))
        reference = Reference(target, min(bests, default=None))
        for done, trial in enumerate(networks):
            on_network(done, len(networks))
            assert trial.key is not None
            missing = [batch for batch in how.batches if not _is_there(folder, names, trial.key, batch)]
            if missing:
                for timing in _timings(trial.to_arch(), task, missing, reference):
                    keep(folder, timing.device, trial.key, {str(timing.batch): timing.to_json()})
                give_back_memory()
    return names


def _timings(arch: Arch, task: Task, batches: Sequence[int], reference: Reference) -> Iterator[Timing]:
    """Of each batch as soon as it is measured."""
    import torch

    from nas.latency.timing import measure
    from space.network import Network

    torch.manual_seed(0)
    network = Network(arch, task).to(reference.device)
    for batch in batches:
        yield from measure(network, task, batch, reference)


def _is_there(folder: Path, names: Iterable[str], key: str, batch: int) -> bool:
    """Whether a network was measured on a quiet machine under all of these names."""
    found = _around(folder)
    return all(
        (timing := found.get(name, {}).get(key, {}).get(str(batch))) is not None
        and mark(slowdown(timing, reference_best(found[name]))) == ""
        for name in names
    )


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
    _check_shape(path, found)
    return found


@dataclass(frozen=True)
class _Kept:
    """What is relied on of a timing in the file."""

    median: float
    low: float
    high: float
    reference: float | None = None
    reference_best: float | None = None
    peak_tensor_bytes: float | None = None


@cache
def _shape() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(dict[str, dict[str, dict[int, _Kept]]])  # device, network, batch


def _check_shape(path: Path, found: Any) -> None:
    """Raises InputError with the first place that is not what `nas measure` writes."""
    from pydantic import ValidationError

    try:
        _shape().validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ", ".join(map(str, first["loc"])) or "the whole"
        raise InputError(
            f"{path} must be as `nas measure` writes it, got {str(first['input'])[:60]} at {place}; "
            "remove it to measure again"
        ) from None


def joined(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What was measured beside several studies: a network takes as long in one as in the other."""
    every: dict[str, Any] = {}
    for measured in found:
        for device, networks in measured.items():
            for key, timings in networks.items():
                _add(every, device, key, timings)
    return every


def keep(folder: Path, device: str, key: str, timings: dict[str, Any]) -> None:
    """Adds a network's timings to the file, to whatever other processes have added meanwhile."""
    with _locked(folder):
        found = read(folder)
        _add(found, device, key, timings)
        write_whole(folder / FILE, json.dumps(found, indent=1))


def _add(found: dict[str, Any], device: str, key: str, timings: Mapping[str, Any]) -> None:
    """Of two timings the one that was taken while the machine was quieter stays; of equals, the later."""
    there = found.setdefault(device, {}).setdefault(key, {})
    for batch, timing in timings.items():
        before, now = (each.get("reference", math.inf) for each in (there.get(batch, {}), timing))
        if now <= before:
            there[batch] = timing


def _around(folder: Path) -> dict[str, Any]:
    """What was measured beside a study or its random search: one reference for both, and a network that both have is
    measured once."""
    beside = baseline_of(folder)
    return joined(read(place) for place in (folder, beside) if place)


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


def rows(
    folder: Path, trials: Iterable[Trial], device: str, batch: int, measured: Mapping[str, Any] | None = None
) -> list[Measured]:
    """The networks measured on `device` at `batch`, by latency, those on a busy machine too. `measured`: in place of
    what was measured beside the study and its random search. Raises InputError where there is none."""
    there = (_around(folder) if measured is None else measured).get(device, {})
    best, found = reference_best(there), []
    for point in points(trials):
        timing = there.get(point.trial.key, {}).get(str(batch))
        if timing is not None:
            values = {name: timing[name] for name in ("median", "low", "high")}
            values |= {"slowdown": slowdown(timing, best), "peak_tensor_bytes": timing.get("peak_tensor_bytes")}
            found.append(Measured(trial=point.trial, seeds=point.seeds, device=device, batch=batch, **values))
    if not found:
        raise _unmeasured(folder, device, batch)
    return sorted(found, key=lambda row: (row.median, -accuracy(row.trial)))


def latency_front(found: Sequence[Measured]) -> list[Measured]:
    """Those that no other beats in both accuracy and latency, by rising latency. What was measured while the machine
    was busy is none of them."""
    front: list[Measured] = []
    for row in found:
        if not is_busy(row.slowdown) and (not front or accuracy(row.trial) > accuracy(front[-1].trial)):
            front.append(row)
    return front


def quiet_front(folder: Path, found: Sequence[Measured]) -> list[Measured]:
    """The same. Raises InputError where the machine was busy whenever these were measured."""
    front = latency_front(found)
    if not front:
        raise InputError(f"latency must be measured on a quiet machine, got {busy_words(folder, found)}")
    return front


def busy_words(folder: Path, found: Sequence[Measured]) -> str:
    """MeasureOptions many of these were measured while the machine was busy, and what to do; nothing where none was."""
    slow = [row.slowdown for row in found if row.slowdown is not None and is_busy(row.slowdown)]
    if not slow:
        return ""
    times = " to ".join(dict.fromkeys(f"{end:.1f}" for end in (min(slow), max(slow))))
    return (
        f"{len(slow)} of {len(found)} networks measured while a reference kernel took {times} times its best on this "
        f"device (limit {cost_axes.LIMIT:g}); end other programs, then "
        f"{again(folder, found[0].device, found[0].batch)}"
    )


def baseline_front(folder: Path, device: str, batch: int) -> list[Measured] | None:
    """The front in latency of the random search beside a study: None without one, empty where it was not measured."""
    beside = baseline_of(folder)
    if beside is None:
        return None
    measured = any(str(batch) in timings for timings in read(beside).get(device, {}).values())
    return latency_front(rows(beside, Reader(beside).trials(), device, batch, _around(folder))) if measured else []


def reached(front: Sequence[Measured], row: Measured) -> float | None:
    """The best accuracy of a front in no more time than this network's."""
    return max((accuracy(other.trial) for other in front if other.median <= row.median), default=None)


def baseline_line(folder: Path, front: Sequence[Measured] | None, device: str, batch: int) -> str | None:
    """What `baseline_front` found, in words."""
    if front is None:
        return None
    name = f"{folder.resolve().name}-random"
    if not front:
        command = again(folder.resolve().with_name(name), device, batch)
        return f"baseline: {name} was not measured so while the machine was quiet; {command}"
    words = " to ".join(f"{accuracy(row.trial):.2%} at {1e3 * row.median:.2f} ms" for row in (front[0], front[-1]))
    return f"baseline: {name}, {len(front)} networks on its front, {words}"


def find_device(folder: Path, trials: Iterable[Trial], by: str) -> Device:
    """The device that `latency@WORDS`, or `latency` alone, means: `device_names.meant`, of those that a network of
    the study was measured on."""
    axis, _, words = by.partition("@")
    if axis != AXIS:
        raise InputError(f"by must be flops or latency@DEVICE, got {by}; {nearest(axis, ['flops', AXIS])}")
    keys = {trial.key for trial in trials}
    names = [name for name, networks in _around(folder).items() if keys & networks.keys()]
    if not names:
        raise InputError(f"study must be measured to be ordered by latency, got none; nas measure {folder.name}")
    found = meant(names, words)
    if found is None:
        raise InputError(f"by must name one device, got {by}; measured: {'; '.join(names)}")
    return found


def axis(folder: Path, trials: Sequence[Trial], by: str, batch: int) -> CostAxis:
    """The measure that `latency@WORDS` means. Raises InputError for a device or batch that was not measured, or only
    while the machine was busy."""
    device = find_device(folder, trials, by).name
    quiet_front(folder, rows(folder, trials, device, batch))
    return latency(_around(folder)[device], device, batch)


def _unmeasured(folder: Path, device: str, batch: int) -> InputError:
    return InputError(f"batch must be one that was measured, got {batch}; {again(folder, device, batch)}")


def again(folder: Path, device: str, batch: int) -> str:
    """The command that measures on such a device."""
    threads = threads_of(device) or 1
    return f"nas measure {folder.resolve().name} --batch {batch}{f' --threads {threads}' if threads > 1 else ''}"
