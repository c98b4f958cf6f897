"""Muon for the matrices of a network: momentum, made orthogonal. Matrices of one shape are stacked and go through the
Newton-Schulz steps together.

After Keller Jordan's Muon, with the size of the update of arXiv 2502.16982: .2 sqrt(max(rows, columns)) times the rate,
which is about AdamW's, so that rate and weight decay are of AdamW's order. `torch.optim.Muon` does the same a matrix at
a time, in bfloat16, and reads its rate on the host, which a CUDA graph cannot.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from space.network import Network

MOMENTUM = 0.95
STEPS = 5  # of Newton-Schulz; three cost 1.7 points of accuracy on a network and save little
A, B, C = 3.4445, -4.7750, 2.0315  # of the quintic: steepest at 0, singular values end in about .7 to 1.2
EPS = 1e-7
SMALLEST = 8  # rows and columns of a matrix that is worth it


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose singular values are all brought to about 1; decoupled weight decay."""

    def __init__(
        self, params: ParamsT, lr: float | Tensor, weight_decay: float = 0.0, momentum: float = MOMENTUM
    ) -> None:
        """`params`: matrices (m, n), kernels (m, ...) as such of all their weights for an output, or groups of them,
        which all get a gradient in every step. `lr`: a number, or a tensor () that is read where it lies."""
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of all matrices. There is no closure."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for alike in by_shape.values():
                self._step(alike, group["lr"], group["weight_decay"], group["momentum"])

    def _step(self, alike: list[nn.Parameter], rate: float | Tensor, decay: float, momentum: float) -> None:
        """Of matrices of one shape, whose momenta lie in one tensor (count, m, n)."""
        gradients = torch.stack([cast(Tensor, parameter.grad).flatten(1) for parameter in alike])
        state = self.state[alike[0]]
        if not state:
            state["momentum"] = torch.zeros_like(gradients)
        state["momentum"].lerp_(gradients, 1 - momentum)
        updates = orthogonal(gradients.lerp_(state["momentum"], momentum))
        updates *= rate * (0.2 * math.sqrt(max(gradients.shape[1:])))
        kept = 1 - rate * decay
        for parameter, update in zip(alike, updates.unbind(), strict=True):
            parameter.mul_(kept).sub_(update.view(parameter.shape))


def orthogonal(matrices: Tensor) -> Tensor:
    """Of each matrix U S V' of (count, m, n) about U V': the quintic Newton-Schulz iteration, in float32."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp(min=EPS)[:, None, None]
    for _ in range(STEPS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x.mT if tall else x


def matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights that Muon is for, SMALLEST or more to each side: of linears outside the head.

    Of networks of elsewhere also the kernels of dense convolutions, (out, in x k x k) as Muon's author takes them, but
    not of the one that sees the image: what is a linear layer here is often a 1x1 convolution there.
    """
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    found: list[nn.Module] = [*linears]
    if not isinstance(network, Network):
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        found += [module for module in convolutions[1:] if module.groups == 1]
    outside = set(head_of(network).modules())
    weights = {id(module.weight): cast(nn.Parameter, module.weight) for module in found if module not in outside}
    return [w for w in weights.values() if w.requires_grad and min(w.flatten(1).shape) >= SMALLEST]


def head_of(network: nn.Module) -> nn.Module:
    """What tells the classes: our networks' head, what `get_classifier()` gives as timm's have it, else the last linear
    layer or convolution."""
    if isinstance(network, Network):
        return network.head
    asked = getattr(network, "get_classifier", None)
    if callable(asked):
        found = asked()
        return found if isinstance(found, nn.Module) else nn.ModuleList(found)
    return [nn.Module(), *(module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d))][-1]
