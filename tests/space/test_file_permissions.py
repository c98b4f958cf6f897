"""What others may write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from space.file_permissions import is_private


def test_what_others_may_write_is_not_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o600)
    assert is_private(path.stat())
    path.chmod(0o622)
    assert not is_private(path.stat())
    monkeypatch.delattr(os, "getuid")  # Windows, where a mode does not say
    assert is_private(path.stat())
