"""Pieces of a model card that every export has: its header, what it costs, its files and how to load them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from nas.analysis.cost_axes import LIMIT, is_busy
from nas.analysis.wording import CONVENTION, part_words
from nas.export.folder import Written
from nas.export.formats import File
from nas.latency.timing import Timing
from nas.records.look import Look, printable
from space import Arch, Task, breakdown, compact
from space.fvcore_count import check_with_fvcore


def data_line(source: str, fingerprint: str) -> str:
    return f"- data: {printable(source)}, fingerprint {fingerprint}"


def data_lines(look: Look | None, train: int, validation: int, test: int) -> str:
    """Images by split, where each split came from, and what was noticed of the data, as items of a list.

    No names of files: a card is published, the pictures perhaps not."""
    if look is None:
        return f"- splits: train {train:,}, validation {validation:,}, test {test:,} images"
    return "\n".join([f"- splits: {look.splits()}", *(f"- noticed: {line}" for line in look.warnings(named=False))])


def header(name: str, data: str, hub_id: str | None, accuracy: float | None, images: int | None) -> str:
    """The metadata of a Hugging Face model card. `hub_id`: of `data`, where it was read from the hub; `accuracy`: top-1
    on its test split, 0 to 1."""
    plain: dict[str, Any] = {
        "pipeline_tag": "image-classification", "library_name": "pytorch",
        "tags": ["image-classification", "convnext", "neural-architecture-search"], "metrics": ["accuracy"],
    }  # fmt: skip
    if hub_id:
        plain["datasets"] = [hub_id]
    if accuracy is not None:
        metric = {"type": "accuracy", "name": f"top-1, n = {images:,}", "value": round(accuracy, 4)}
        dataset = {"name": data, "type": hub_id or "local", "split": "test"}
        result = {"task": {"type": "image-classification"}, "dataset": dataset, "metrics": [metric]}
        plain["model-index"] = [{"name": name, "results": [result]}]
    return f"---\n{yaml.safe_dump(plain, sort_keys=False, width=120)}---\n"


def cost_line(flops: int, params: int, image_size: int) -> str:
    """For the terminal."""
    return (
        f"{compact(flops)} FLOPs (conv + linear multiply-accumulates, batch 1, {image_size} px), "
        f"{compact(params)} parameters"
    )


def costs_and_loading(arch: Arch, task: Task, written: Written) -> str:
    """Two sections: what the network costs by arithmetic and by the clock, and how its files are loaded."""
    return f"""## What it costs

{CONVENTION}.

{stages(arch, task)}

{timings(written.timings)}

## Load it

{loading(written.files)}"""


def stages(arch: Arch, task: Task) -> str:
    """The network part by part, and that fvcore counts the same."""
    rows, total = breakdown(arch, task), check_with_fvcore(arch, task)
    lines = ["| part | output | network | FLOPs | params |", "|---|---|---|---|---|"]
    for row, what in zip(rows, part_words(arch), strict=True):
        size = f"{row.width} x {row.size} x {row.size}"
        lines.append(f"| {row.name} | {size} | {what} | {row.cost.flops:,} | {row.cost.params:,} |")
    lines += [
        f"| all | | | {total.flops:,} | {total.params:,} |", "",
        f"fvcore, counting conv and linear in the built network: {total.flops:,} FLOPs, the same.",
    ]  # fmt: skip
    return "\n".join(lines)


def loading(files: Sequence[File]) -> str:
    """How each file is loaded, and how near its logits are to the network's."""
    lines = ["| file | size | image size | largest logit difference |", "|---|---|---|---|"]
    lines += [f"| `{f.name}` | {f.size:,} bytes | {f.sizes} | {f.difference:.2g} |" for f in files]
    code = [f"```python\n{file.usage.replace('{folder}', 'this-folder')}\n```" for file in files]
    words = "Each was loaded in a fresh process and its logits compared with those of the network in float32:"
    return "\n\n".join([*code, words, "\n".join(lines)])


def timings(rows: Sequence[Timing]) -> str:
    """Latency and throughput, as they were measured at the export; none of a busy machine."""
    quiet = [t for t in rows if not is_busy(t.slowdown)]
    if not rows:
        return "Not measured here."
    if not quiet:
        return (
            f"Not measured: the machine was busy (a reference kernel took {rows[0].slowdown:.1f} times its best, "
            f"{LIMIT:g} is the limit). `nas measure` times this folder on a quiet one."
        )
    lines = [
        "| batch | latency, median | quartiles | images/s | passes | reference kernel |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {t.batch} | {1e3 * t.median:.2f} ms | {1e3 * t.low:.2f} to {1e3 * t.high:.2f} ms "
        f"| {t.images_per_second:,.0f} | {t.passes} | {t.slowdown:.2f} x its best |"
        for t in quiet
    ]
    return (
        f"On {rows[0].device}, float32, torch without compilation. A reference kernel was timed among the passes: a "
        f"machine on which it takes over {LIMIT:g} times its best of these seconds is busy, and its times are left out."
        "\n\n" + "\n".join(lines)
    )
