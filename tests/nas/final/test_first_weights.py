"""An export's classifier on data with the same classes, in another order, or with others."""

from __future__ import annotations

import pytest
import torch

from nas.export.load import Exported, Preprocess
from nas.final.first_weights import begin_with
from space import Task
from space.heads import Conv2FormerHead
from space.network import Network
from tests.space.networks import arch
from tests.space.test_weights import randomise

OLD = ("left", "right", "up")


@pytest.fixture(params=["linear", "conv2former"])
def exported(request: pytest.FixtureRequest) -> Exported:
    network = arch(8, 12, head=Conv2FormerHead(features=24) if request.param == "conv2former" else "ln")
    return Exported(randomise(Network(network, Task(8, 1, 3))), Preprocess(8, 1, (0.5,), (0.2,), OLD))


def begun(exported: Exported, classes: tuple[str, ...]) -> tuple[Network, str, list[str]]:
    notes: list[str] = []
    network = Network(exported.model.arch, Task(8, 1, len(classes))).eval()
    return network, begin_with(network, exported, classes, 1.0, notes.append), notes


def test_rows_go_by_the_names_of_their_classes(exported: Exported) -> None:
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        logits = exported.model(x)
        same, done, notes = begun(exported, OLD)
        assert (done, notes) == ("", [])
        assert torch.equal(same(x), logits)
        moved, done, notes = begun(exported, ("up", "left", "right"))
        torch.testing.assert_close(moved(x), logits[:, [2, 0, 1]])
    assert done == ", with the classifier's rows in the order of the data's classes"
    assert notes == ["classifier: rows put in the order of the data's classes, by name; the export has left, right, up"]


@pytest.mark.parametrize(
    ("classes", "shared"), [(("down", "left", "up"), 2), (("cat", "dog"), 0), (("left", "right", "up", "x"), 3)]
)
def test_other_names_get_a_new_classifier(exported: Exported, classes: tuple[str, ...], shared: int) -> None:
    network, done, notes = begun(exported, classes)
    assert done == ", with a new classifier"
    assert notes == [
        f"classifier: drawn anew, as {shared} of the data's {len(classes)} classes are among the export's 3"
    ]
    own, theirs = network.state_dict(), exported.model.state_dict()
    assert torch.equal(own["stem.conv.weight"], theirs["stem.conv.weight"])
    assert own["head.linear.weight"].abs().max() < 0.1
    assert not own["head.linear.bias"].any()
