"""AveragedWeights: a moving average of a network's weights and buffers, warmed up (timm's `ModelEmaV3`)."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

POWER = 2 / 3  # of the warm-up


class AveragedWeights:
    """`module` has them; the network itself at first."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.module, self.decay = deepcopy(network).eval(), decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """After step 1, 2, ...: average = d * average + (1 - d) * network, d = min(decay, 1 - step ** (-2 / 3))."""
        decay = min(self.decay, 1 - step**-POWER)
        pairs = list(zip(self.module.state_dict().values(), network.state_dict().values(), strict=True))
        moving = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        get_ema_multi_avg_fn(decay)([mean for mean, _ in moving], [value for _, value in moving], None)
        for mean, value in pairs:
            if not mean.is_floating_point():  # a count of batches
                mean.copy_(value)
