"""Commands on networks and spaces."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from space import Arch, Task
from space.network import Network
from tests.documented.place import Place, check
from tests.documented.table import CHAINS, Row

CHAIN = "networks"


@pytest.fixture(autouse=True)
def checkpoint(place: Place) -> None:
    """What somebody has trained elsewhere."""
    path = place.folder / "convnextv2_atto.safetensors"
    if not path.exists():
        torch.manual_seed(0)
        save_file(Network(Arch.load("convnextv2_atto"), Task(224, 3, 1000)).state_dict(), path)


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))
