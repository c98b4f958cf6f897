"""What may be built and what it costs. Importing this package does not import torch."""

from space.arch import Arch, Head, Stage, Stem, Task
from space.budget import Band, compact
from space.cost import Cost, Part, breakdown, cost
from space.reading import InputError
from space.space import Space

__all__ = [
    "Arch", "Band", "Cost", "Head", "InputError", "Part", "Space", "Stage", "Stem", "Task", "breakdown", "compact",
    "cost",
]  # fmt: skip
