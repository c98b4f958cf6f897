"""Whether a file or folder is this user's alone. What others may write is not to be loaded as code, nor believed."""

from __future__ import annotations

import os
import stat


def is_private(status: os.stat_result) -> bool:
    """Of this user or of root, and written by nobody else. On Windows, whose files have neither, by where they are: in
    the user's own folders."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid in (0, os.getuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
