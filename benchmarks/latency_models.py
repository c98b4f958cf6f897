"""How well a latency model forecasts networks that it has not seen: three preset spaces, torch and onnxruntime, batch 1
and 64, on one thread; FLOPs alone beside it.

    python -m benchmarks.latency_models [--networks 100]

fits each model to so many random networks and tells its error on as many others;

    python -m benchmarks.latency_models --twice

measures 100 networks of each space two times with torch: how well one measurement forecasts the next.
"""

from __future__ import annotations

import argparse
import random
from statistics import median
from typing import get_args

import torch
from rich.console import Console
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from benchmarks.machine import heading
from nas.analysis.cost_axes import is_busy
from nas.latency.device_names import Runtime
from nas.latency.measuring import MeasureOptions, timings_of
from nas.latency.modelling import SECONDS, measure_space
from nas.latency.reference_kernel import ReferenceKernel, threads
from nas.process.progress import StepLine
from space import Budget, Space, Task

SPACES = {"convnext_or_modulation_32": "1M..16M", "convnext_64": "4M..32M", "roadmap_32": "4M..32M"}
BATCHES = (1, 64)
NETWORKS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=NETWORKS)
    parser.add_argument("--twice", action="store_true")
    given = parser.parse_args()
    if given.twice:
        twice(given.networks)
        return
    networks = given.networks
    print(f"{heading('torch', 'onnxruntime')}; one thread, float32; FLOPs: conv + linear multiply-accumulates\n")
    print("| space | FLOPs | runtime | batch | median error | 95% within | tau | tau of FLOPs | fitted to | unseen |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, flops in SPACES.items():
        for runtime in get_args(Runtime):
            space, how = Space.load(name), MeasureOptions(device="cpu", batches=BATCHES, runtime=runtime)
            task, budget = Task(space.image_size, 3, 10), Budget.parse(flops)
            with StepLine(Console(stderr=True), f"{name}, {runtime}").step(unit="networks") as report:
                models = measure_space(
                    space, task, budget, how, networks=networks, unseen=networks, on_network=report
                )  # fmt: skip
            for model in models:
                error = model.error
                print(
                    f"| {name} | {flops} | {runtime} | {model.batch} | {error.median:.1%} | {error.p95:.1%} | "
                    f"{error.tau:.2f} | {error.flops_tau:.2f} | {model.networks} | {error.networks} |",
                    flush=True,
                )


def twice(networks: int) -> None:
    """One time over the reference kernel's beside the other, of each network and batch, but for those beside which the
    kernel was over the limit in one of the two."""
    print(f"{heading('torch')}; one thread, float32\n")
    print("| space | FLOPs | batch | median difference | tau | networks |\n|---|---|---|---|---|---|")
    for name, flops in SPACES.items():
        space, rng = Space.load(name), random.Random(1)
        task, budget = Task(space.image_size, 3, 10), Budget.parse(flops)
        archs = [space.random_arch(rng, task, budget) for _ in range(networks)]
        with threads(1):
            kernel = ReferenceKernel(torch.device("cpu"))
            rounds = [[list(timings_of(a, task, BATCHES, "torch", kernel, SECONDS)) for a in archs] for _ in range(2)]
        for place, batch in enumerate(BATCHES):
            pairs = [(a[place], b[place]) for a, b in zip(*rounds, strict=True)]
            quiet = [pair for pair in pairs if not any(is_busy(each.reference / kernel.best) for each in pair)]
            one, other = zip(*((a.median / a.reference, b.median / b.reference) for a, b in quiet), strict=True)
            apart = median(abs(a / b - 1) for a, b in zip(one, other, strict=True))
            tau = kendalltau(one, other).statistic
            print(f"| {name} | {flops} | {batch} | {apart:.1%} | {tau:.2f} | {len(quiet)} |", flush=True)


if __name__ == "__main__":
    main()
