"""Tests that are left out: for want of a CUDA device they are listed, for any other reason CI fails."""

from __future__ import annotations

import pytest
import torch

pytest_plugins = ["pytester"]
FILE = f"""
import pytest

@pytest.mark.cuda(devices={torch.cuda.device_count() + 1})
def test_on_many_devices() -> None:
    raise AssertionError

def test_here() -> None:
    pass
"""
OTHER = """
def test_on_another_machine() -> None:
    pytest.skip("not here")
"""


@pytest.mark.parametrize(("ci", "other", "code"), [("true", False, 0), ("true", True, 1), ("", True, 0)])
def test_only_what_needs_devices_may_be_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, other: bool, code: int
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(test_it=FILE + OTHER * other)
    found = pytester.runpytest_inprocess("-p", "tests.conftest", "--strict-markers", "-p", "no:cacheprovider")
    assert found.ret == code
    found.assert_outcomes(passed=1, skipped=1 + other)
    found.stdout.fnmatch_lines(["not run, for want of CUDA devices (1):", "*test_it.py::test_on_many_devices"])
    assert ("1 tests were left out, which CI does not allow" in found.stdout.str()) is bool(code)
