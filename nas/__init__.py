"""A design-space explorer for ConvNeXt-family networks.

    import nas
    study = nas.search("digits", data="digits", flops="200K..4M", trials=30)
    study.front()

`Space`, `Arch`, `Task` and `Cost` say what may be built and what it costs; `cost` counts a network, `Network` builds
it; `search` runs a study and `Study` reads one; `compare_spaces` tells two spaces apart; `load_export` loads what was
exported. Importing this is quick: each name brings what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.api import Study, cost, reference, search, steps
    from nas.comparing import ComparedSpaces, compare_spaces
    from nas.export.load import Exported, Preprocess, load_export
    from nas.records.trial import Trial
    from space import Arch, Cost, InputError, Space, Task
    from space.network import Network

__version__ = "0.1.0"
__all__ = [
    "Arch", "ComparedSpaces", "Cost", "Exported", "InputError", "Network", "Preprocess", "Space", "Study", "Task",
    "Trial", "compare_spaces", "cost", "load_export", "reference", "search", "steps",
]  # fmt: skip
_MODULES = {
    "nas.api": ("Study", "cost", "reference", "search", "steps"),
    "nas.comparing": ("ComparedSpaces", "compare_spaces"),
    "nas.export.load": ("Exported", "Preprocess", "load_export"),
    "nas.records.trial": ("Trial",),
    "space": ("Arch", "Cost", "InputError", "Space", "Task"),
    "space.network": ("Network",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(module), name)
            return found
    raise AttributeError(f"module 'nas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
