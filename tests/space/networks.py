"""Generated networks that several tests share: seeded draws from the preset spaces, and a few by hand."""

from __future__ import annotations

import random
from typing import Any

from space import Arch, Band, Space, Stage, Stem, Task
from space.arch import Head

PRESETS = ("digits", "cifar", "imagenet")


def draws(preset: str, count: int, seed: int = 0, task: Task | None = None, flops: str | None = None) -> list[Arch]:
    """`count` random networks of a preset space, in the band `flops` at `task`."""
    space, rng = Space.load(preset), random.Random(seed)
    band = Band.parse(flops) if flops else None
    return [space.draw(rng, task or Task(space.image_size), band) for _ in range(count)]


def arch(*widths: int, depth: int = 1, stem: int = 2, head: str = "ln", **stage: Any) -> Arch:
    """A network of one stage per width; `stage` gives the other fields of every stage."""
    rows = tuple(Stage(depth=depth, width=width, **stage) for width in widths)
    norm: Any = head
    return Arch(stem=Stem(stride=stem, norm=rows[0].norm), stages=rows, head=Head(norm=norm))
