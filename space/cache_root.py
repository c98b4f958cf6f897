"""Where compiled code and decoded pictures are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """`$NAS_CACHE`, else `nas` in `$XDG_CACHE_HOME` or `~/.cache`."""
    chosen = os.environ.get("NAS_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas"
