"""Tiny networks compute fastest on one thread, and leave the other cores to whatever else runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def without_initial_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing them takes most of the time of building a network that is only looked at."""
    import timm.models.convnext

    for name in ("trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda weight, *args, **options: weight)
    monkeypatch.setattr(timm.models.convnext, "trunc_normal_", lambda weight, *args, **options: weight)
