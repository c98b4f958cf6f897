"""A design-space explorer for ConvNeXt-family networks. `nas.load_export(DIR)` loads what `nas export` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.export.load import Exported, Preprocess, load_export

__all__ = ["Exported", "Preprocess", "load_export"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loads torch only when an export is loaded."""
    if name in __all__:
        import nas.export.load

        return getattr(nas.export.load, name)
    raise AttributeError(f"module 'nas' has no attribute {name!r}")
