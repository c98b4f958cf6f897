"""A reference's module: built, looked at once before it is trained, and made ready to be trained as trials are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nas.process.errors import first_line
from nas.references.counting import ModuleCost, count_module
from space import InputError, Task
from space.network import Network

SHOWN = 160  # letters of a reason that someone else's code gives


@dataclass(frozen=True, slots=True)
class Variant:
    """A network at one scale of its widths. `make` draws fresh weights from torch's generator and may raise anything;
    `built`: with what widths or arguments; `arch`: of one of ours; `code`: a digest of the file of a function."""

    make: Callable[[], nn.Module]
    built: str
    arch: Mapping[str, Any] | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A variant that can be trained for a task. `idle`: parameters that get no gradient."""

    variant: Variant
    cost: ModuleCost
    idle: tuple[str, ...]

    def build(self) -> nn.Module:
        """Ready to be trained: channels last, as the images come, where it is not ours, which computes so anyway, and
        has no strided 1x1 convolution, whose gradient crashes there (see `space.modules.Conv2d`)."""
        network = self.variant.make()
        if isinstance(network, Network):
            return network
        for name in self.idle:
            network.get_parameter(name).requires_grad_(False)
        return network if _is_strided_pointwise(network) else network.to(memory_format=torch.channels_last)


def _is_strided_pointwise(network: nn.Module) -> bool:
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return any(conv.kernel_size == (1, 1) != conv.stride for conv in convs)


def look(name: str, variant: Variant, task: Task) -> Looked:
    """Builds it, passes two images through and back, and counts it. Raises InputError with the reason where it is no
    network for the task."""
    network = made(name, variant)
    images = torch.randn(2, task.channels, task.image_size, task.image_size)
    try:
        logits = network.train()(images)
        _check_logits(name, logits, task)
        logits.float().square().mean().backward()
        idle = tuple(key for key, value in network.named_parameters() if value.requires_grad and value.grad is None)
        with torch.no_grad():
            _check_logits(name, network.eval()(images), task)
        cost = count_module(network, task)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # of any code; what it says is the reason
        raise InputError(
            f"{name} must take images of {task.image_size} px with {task.channels} channel"
            f"{'s' * (task.channels > 1)}, got {_said(error)}; give it a smaller patch, window or stride"
        ) from error
    if cost.flops == 0:  # a front is over log FLOPs
        raise InputError(
            f"{name} must have a convolution or linear layer, got 0 FLOPs; write its products as one of these"
        )
    return Looked(variant, cost, idle)


def made(name: str, variant: Variant) -> nn.Module:
    """Raises InputError for a builder that fails, and for what it makes that is no module."""
    try:
        network = variant.make()
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (Exception, SystemExit) as error:  # likewise
        raise InputError(f"{name} must be built for this task, got {_said(error)}; change its arguments") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{name} must give a torch module, got {type(network).__name__}; return the network")
    return network


def _check_logits(name: str, logits: object, task: Task) -> None:
    wanted = (2, task.classes)
    if not isinstance(logits, torch.Tensor):
        raise InputError(f"{name} must give logits, a tensor (N, classes), got {type(logits).__name__}; return that")
    if tuple(logits.shape) != wanted:
        raise InputError(
            f"{name} must give logits {wanted} for 2 images, got {tuple(logits.shape)}; return a score for each class"
        )


def _said(error: BaseException) -> str:
    line = first_line(error)
    return f"{type(error).__name__}: {line if len(line) <= SHOWN else line[:SHOWN] + ' ...'}"
