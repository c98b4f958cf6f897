"""How well a latency model forecasts networks that it has not seen: three preset spaces, torch and onnxruntime, batch 1
and 64, on one thread; FLOPs alone beside it.

    python -m benchmarks.latency_models [NETWORKS]

fits each model to NETWORKS (100) random networks and tells its error on as many others.
"""

from __future__ import annotations

import sys
from typing import get_args

from rich.console import Console

from benchmarks.machine import heading
from nas.latency.device_names import Runtime
from nas.latency.measuring import MeasureOptions
from nas.latency.modelling import measure_space
from nas.records.progress import StepLine
from space import Budget, Space, Task

SPACES = {"convnext_or_modulation_32": "1M..16M", "convnext_64": "4M..32M", "roadmap_32": "4M..32M"}
BATCHES = (1, 64)


def main() -> None:
    networks = int(sys.argv[1]) if len(sys.argv) > 1 else 100
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


if __name__ == "__main__":
    main()
