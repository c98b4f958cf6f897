"""An export's weights as the first ones of a training, whose classes may be others or in another order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.data.cache import Note
from nas.export.load import Exported
from space.network import Network


def begin_with(network: Network, exported: Exported, classes: Sequence[str], scale: float, on_note: Note) -> str:
    """Puts the export's weights into `network`, whose logits are of `classes`. Returns what became of the classifier,
    nothing where it is the export's.

    The same names in another order: its rows are put in that order. Other names: it is drawn anew, times `scale`.
    """
    own, weights, old = network.state_dict(), exported.model.state_dict(), exported.preprocess.classes
    new = tuple(classes)
    linear = _classifier(network)
    if old == new:
        network.load_state_dict(weights)
        return ""
    if len({*old}) == len(old) and sorted(old) == sorted(new):
        network.load_state_dict(_in_order(weights, linear, [old.index(name) for name in new]))
        order = ", ".join(old[:4]) + (", ..." if old[4:] else "")
        on_note(f"classifier: rows put in the order of the data's classes, by name; the export has {order}")
        return ", with the classifier's rows in the order of the data's classes"
    kept = {name: value for name, value in weights.items() if value.shape == own[name].shape}
    network.load_state_dict({**own, **kept})
    _draw(network.get_submodule(linear), scale)
    shared = len({*old} & {*new})
    on_note(f"classifier: drawn anew, as {shared} of the data's {len(new)} classes are among the export's {len(old)}")
    return ", with a new classifier"


def _classifier(network: Network) -> str:
    """The name of the head's last linear layer."""
    return [f"head.{name}" for name, module in network.head.named_modules() if isinstance(module, nn.Linear)][-1]


def _in_order(weights: dict[str, Tensor], linear: str, rows: list[int]) -> dict[str, Tensor]:
    """With rows of the layer's weight (classes, features) and bias (classes,) in another order."""
    return {name: value[rows] if name.rpartition(".")[0] == linear else value for name, value in weights.items()}


def _draw(linear: nn.Module, scale: float) -> None:
    """Anew, and scaled."""
    assert isinstance(linear, nn.Linear)
    nn.init.trunc_normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)
    with torch.no_grad():
        linear.weight.mul_(scale)
