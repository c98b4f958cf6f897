"""What may be built and what it costs. Importing this package does not import torch."""

from typing import TYPE_CHECKING, Any

from space.arch import Arch, Stage, Task
from space.budget import Band, Budget, compact
from space.cost import Cost, CountedPart, breakdown, cost
from space.reading import InputError

if TYPE_CHECKING:
    from space.space import Space

__all__ = [
    "Arch",
    "Band",
    "Budget",
    "Cost",
    "CountedPart",
    "InputError",
    "Space",
    "Stage",
    "Task",
    "breakdown",
    "compact",
    "cost",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Loads the machinery of spaces only where a space is asked for: counting a network is quick without."""
    if name == "Space":
        from space.space import Space

        return Space
    raise AttributeError(f"module 'space' has no attribute {name!r}")
