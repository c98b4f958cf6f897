"""A study beside random search at the same budget, data, recipe and number of trials.

    python -m benchmarks.against_random cifar10 cifar10-random

Reads the two studies under runs/ and prints a table; trains nothing. Refuses studies that are not comparable.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nas.front import flops, hypervolume, pareto_front, scored, under
from nas.settings import find_study
from nas.trials import Reader, Trial
from space import InputError, compact

RUNS = Path("runs")


def comparable(one: Reader, other: Reader) -> None:
    """Raises InputError where the two differ in more than the sampler."""
    for field in ("space", "band", "recipe", "task"):
        a, b = getattr(one.settings, field), getattr(other.settings, field)
        if a != b:
            raise InputError(f"{field} must be the same in both studies, got {a} and {b}; compare others")
    if one.settings.data.fingerprint != other.settings.data.fingerprint:
        raise InputError("data must be the same in both studies, got others; compare others")


def at_most(trials: list[Trial], limit: int) -> str:
    front = pareto_front(trials)
    if not front or flops(front[0]) > limit:
        return "-"
    return f"{under(front, limit).accuracy:.2%}"


def table(studies: list[Reader]) -> str:
    """Best validation accuracy up to a few FLOPs limits, and hypervolume, a column a study."""
    band = studies[0].settings.band
    rows = [reader.trials() for reader in studies]
    ratio = band.high / band.low
    limits = [round(band.low * ratio ** (i / 4)) for i in range(1, 5)]
    lines = ["| | " + " | ".join(f"{r.settings.sampler} (`{r.settings.name}`)" for r in studies) + " |"]
    lines.append("|---|" + "---|" * len(studies))
    for limit in limits:
        cells = " | ".join(at_most(trials, limit) for trials in rows)
        lines.append(f"| best accuracy up to {compact(limit)} FLOPs | {cells} |")
    lines.append(f"| hypervolume over {band} | " + " | ".join(f"{hypervolume(t, band):.4f}" for t in rows) + " |")
    lines.append(
        "| networks trained, on the front | "
        + " | ".join(f"{len(scored(t))}, {len(pareto_front(t))}" for t in rows)
        + " |"
    )
    lines.append("| training seconds | " + " | ".join(f"{sum(x.seconds or 0 for x in t):,.0f}" for t in rows) + " |")
    return "\n".join(lines)


def main() -> None:
    try:
        studies = [Reader(find_study(name, RUNS)) for name in sys.argv[1:3]]
        if len(studies) < 2:
            raise InputError("studies must be two, got fewer; give two names under runs/")
        comparable(*studies)
        print(table(studies))
        data = studies[0].settings.data
        print(
            f"\nvalidation top-1 of {data.name}, n = {data.validation:,}, 1 seed a network and 1 run a sampler; "
            f"{studies[0].settings.training}. "
            "FLOPs: conv + linear multiply-accumulates, batch 1."
        )
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
