"""A study beside random search at the same budget, data, recipe and training.

    python -m benchmarks.against_random cifar10 cifar10-random

Reads the two studies under runs/ and prints a table; trains nothing. Refuses studies that are not comparable.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nas.analysis.baseline import why_not
from nas.analysis.data_frames import reached
from nas.analysis.pareto import by_network, hypervolume, outcome, pareto_front
from nas.records.settings import find_study
from nas.storage.reader import Reader
from space import InputError, compact

RUNS = Path("runs")
PARTS = (0.25, 0.5, 1.0)  # of the images


def after(reader: Reader, part: float) -> str:
    """Hypervolume when a part of the study's training images was seen; trials in the order of their numbers."""
    trials, settings = reader.trials(), reader.settings
    whole = outcome(trials, settings).images
    until = next(i for i in range(1, len(trials) + 1) if outcome(trials[:i], settings).images >= part * whole)
    return f"{hypervolume(trials[:until], settings.band):.4f}"


def trained(reader: Reader) -> str:
    trials = reader.trials()
    complete = len(by_network(trials))
    stopped = sum(trial.state == "stopped" for trial in trials)
    again = sum(trial.state == "complete" and trial.repeat_of is not None for trial in trials)
    return f"{complete}, {stopped}, {again}"


def table(studies: list[Reader]) -> str:
    """Best validation accuracy up to a few FLOPs limits, hypervolume, and what it took, a column a study."""
    band = studies[0].settings.band
    ratio = band.high / band.low
    limits = [round(band.low * ratio ** (i / 4)) for i in range(1, 5)]
    found = [outcome(reader.trials(), reader.settings) for reader in studies]
    fronts = [pareto_front(reader.trials()) for reader in studies]
    rows = [("", [f"{r.settings.sampler}, stop {r.settings.stop} (`{r.settings.name}`)" for r in studies])]
    for limit in limits:
        best = [reached(front, limit) for front in fronts]
        cells = ["-" if accuracy is None else f"{accuracy:.2%}" for accuracy in best]
        rows.append((f"best accuracy up to {compact(limit)} FLOPs", cells))
    for part in PARTS:
        rows.append((f"hypervolume over {band} after {part:.0%} of the images", [after(r, part) for r in studies]))
    rows += [
        ("networks trained to the end, stopped early; further seeds", [trained(reader) for reader in studies]),
        ("on the front", [str(one.front) for one in found]),
        ("training images in all", [f"{one.images:,}" for one in found]),
        ("training seconds", [f"{one.seconds:,.0f}" for one in found]),
    ]
    lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    lines.insert(1, "|---|" + "---|" * len(studies))
    return "\n".join(lines)


def main() -> None:
    try:
        studies = [Reader(find_study(name, RUNS)) for name in sys.argv[1:3]]
        if len(studies) < 2:
            raise InputError("studies must be two, got fewer; give two names under runs/")
        one, other = (reader.settings for reader in studies)
        if why := why_not(one, other):
            raise InputError(
                f"{other.name} must be random search beside {one.name}, got another: {why}; compare others"
            )
        print(table(studies))
        print(
            f"\nvalidation top-1 of {one.data.name}, n = {one.data.validation:,}, means where a network has further "
            f"seeds, else 1 seed; 1 run a sampler; {one.training}. "
            "FLOPs: conv + linear multiply-accumulates, batch 1."
        )
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
