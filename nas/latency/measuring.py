"""Measuring the networks of a study, or one alone. Latency does not depend on weights, so networks are built afresh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.analysis.cost_axes import mark, reference_best, slowdown
from nas.analysis.pareto import merged
from nas.latency.measurements import around, keep
from nas.records.trial import Trial
from nas.storage.moving import at_work
from space import Arch, InputError, Task

if TYPE_CHECKING:
    import torch

    from nas.latency.device_names import Runtime
    from nas.latency.reference_kernel import ReferenceKernel
    from nas.latency.timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """On which device, at which batch sizes, with how many threads of the CPU and in what networks are measured."""

    device: str = "auto"
    batches: Sequence[int] = (1,)
    threads: int = 1
    runtime: Runtime = "torch"


def parse_batches(words: str) -> list[int]:
    """`1,64`. Raises InputError for what is no list of whole numbers from 1 on."""
    parts = [part.strip() for part in words.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"batch must be whole numbers from 1 on, got {words}; write e.g. 1,64")
    return sorted({int(part) for part in parts})


def measure_arch(arch: Arch, task: Task, how: MeasureOptions) -> list[Timing]:
    """One network with fresh weights: of each batch size one timing on a CPU, two on a GPU."""
    from nas.latency.reference_kernel import ReferenceKernel, threads

    target = target_of(how)
    with threads(how.threads):
        return list(timings_of(arch, task, how.batches, how.runtime, ReferenceKernel(target)))


def measure_study(
    folder: Path,
    trials: Iterable[Trial],
    task: Task,
    how: MeasureOptions,
    on_network: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Measures every network that was trained to its end and was not measured so yet, or not on a quiet machine;
    keeps each at once. Returns the names that they are kept under. The study stays where it is meanwhile."""
    from nas.latency.reference_kernel import ReferenceKernel, threads
    from nas.latency.timing import device_names
    from nas.training.allocator import give_back_memory

    target, networks = target_of(how), [trial for trial in merged(trials) if trial.key is not None]
    with at_work(folder), threads(how.threads):
        names = device_names(target, how.runtime)
        bests = filter(None, (reference_best(around(folder).get(name, {})) for name in names))
        reference = ReferenceKernel(target, min(bests, default=None))
        for done, trial in enumerate(networks):
            on_network(done, len(networks))
            assert trial.key is not None
            missing = [batch for batch in how.batches if not _is_there(folder, names, trial.key, batch)]
            if missing:
                for timing in timings_of(trial.to_arch(), task, missing, how.runtime, reference):
                    keep(folder, timing.device, trial.key, {str(timing.batch): timing.to_json()})
                give_back_memory()
        on_network(len(networks), len(networks))
    return names


def names_of(how: MeasureOptions) -> list[str]:
    """What is measured so is kept under. Raises InputError as `target_of`."""
    from nas.latency.reference_kernel import threads
    from nas.latency.timing import device_names

    target = target_of(how)
    with threads(how.threads):
        return device_names(target, how.runtime)


def target_of(how: MeasureOptions) -> torch.device:
    """Raises InputError for a device that is not there, or on which the runtime cannot be."""
    from nas.latency.runtimes import check_runtime
    from nas.training.device import choose_device

    target = choose_device(how.device)
    check_runtime(how.runtime, target)
    return target


def timings_of(
    arch: Arch, task: Task, batches: Sequence[int], runtime: Runtime, reference: ReferenceKernel,
    seconds: float | None = None,
) -> Iterator[Timing]:  # fmt: skip
    """Of each batch as soon as it is measured."""
    import torch

    from nas.latency.timing import measure
    from space.network import Network

    torch.manual_seed(0)
    network = Network(arch, task).to(reference.device)
    for batch in batches:
        yield from measure(network, task, batch, reference, seconds, runtime=runtime)


def _is_there(folder: Path, names: Iterable[str], key: str, batch: int) -> bool:
    """Whether a network was measured on a quiet machine under all of these names."""
    found = around(folder)
    return all(
        (timing := found.get(name, {}).get(key, {}).get(str(batch))) is not None
        and mark(slowdown(timing, reference_best(found[name]))) == ""
        for name in names
    )
