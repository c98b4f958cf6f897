"""Fixtures of the dashboard's tests."""

from __future__ import annotations

from tests.nas.conftest import run

__all__ = ["run"]
