"""What the system says of its processor, and where it says nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from space import processor


def test_the_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert processor.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert processor.cores() == len(allowed)


@pytest.mark.parametrize(
    ("text", "model", "instructions"),
    [
        ("model name\t: \nmodel name\t: A Chip\nflags\t\t: avx avx2\n", "A Chip", "avx avx2"),
        ("BogoMIPS\t: 243.75\nFeatures\t: neon\n", None, "neon"),
        ("processor\t: 0\n", None, platform.processor()),
    ],
)
def test_the_first_that_is_said_counts(
    text: str, model: str | None, instructions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert (processor.model(), processor.instructions()) == (None, platform.processor()), "no such file"
    (tmp_path / "cpuinfo").write_text(text)
    assert (processor.model(), processor.instructions()) == (model, instructions)
