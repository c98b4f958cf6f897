"""Counts of any module against hand computations and against torch's own counter."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from timm.layers.config import set_fused_attn
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.references.counting import count_module
from space import Arch, Task, cost
from space.network import Network

TASK = Task(32, 3, 10)


@pytest.mark.parametrize("fused", [True, False])
def test_a_tiny_transformer_by_hand(fused: bool) -> None:
    set_fused_attn(fused)
    try:
        network = VisionTransformer(
            img_size=8, patch_size=4, in_chans=3, num_classes=10, embed_dim=16, depth=2, num_heads=2, mlp_ratio=4
        )  # fmt: skip
    finally:
        set_fused_attn(True)
    found = count_module(network, Task(8, 3, 10))
    tokens, width = 4 + 1, 16
    block = tokens * (width * 3 * width + width * width + 2 * width * 4 * width)
    assert found.flops == 4 * (3 * 16 * width) + 2 * block + width * 10
    assert found.products == 2 * (2 * tokens * tokens * width), "q k' and a v, both heads"
    assert found.params == sum(p.numel() for p in network.parameters())


def test_a_tiny_swin_by_hand() -> None:
    network = SwinTransformer(
        img_size=16, patch_size=2, in_chans=3, num_classes=10, embed_dim=8, depths=(2, 1), num_heads=(2, 4),
        window_size=4, mlp_ratio=2,
    )  # fmt: skip

    def block(tokens: int, width: int) -> int:
        return tokens * (3 * width * width + width * width + 2 * width * 2 * width)

    merge = 16 * (4 * 8) * 16  # four neighbours' channels to twice as many
    found = count_module(network, Task(16, 3, 10))
    assert found.flops == 64 * (3 * 4 * 8) + 2 * block(64, 8) + merge + block(16, 16) + 16 * 10
    assert found.products == 2 * (4 * 2 * 16 * 16 * 8) + 2 * 16 * 16 * 16, "4 windows of 16 tokens, then one"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("resnet18", {}), ("mobilenetv3_small_100", {}), ("regnetx_002", {}), ("convnext_atto", {}),
        ("deit_tiny_patch16_224", {"img_size": 32, "patch_size": 8}),
        ("swin_tiny_patch4_window7_224", {"img_size": 32}), ("mobilevit_xxs", {}), ("pvt_v2_b0", {}),
    ],
)  # fmt: skip
def test_counts_are_those_of_torchs_counter(name: str, more: dict[str, Any]) -> None:
    network = timm.create_model(name, num_classes=10, **more).eval()
    found = count_module(network, TASK)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 32, 32))
    assert 2 * (found.flops + found.products) == counter.get_total_flops(), "which has two for each"


def test_torchs_own_attention_is_counted_by_its_layers() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2).mT[..., :1].expand(-1, -1, 16)  # (N, 64, 16)
            logits: torch.Tensor = self.head(self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1))
            return logits

    found = count_module(Attends(), Task(8, 3, 10))
    assert found.flops == 64 * (4 * 16 * 16) + 16 * 10
    assert found.products == 2 * 64 * 64 * 16
    assert torch.backends.mha.get_fastpath_enabled(), "as it was before"


def test_ours_are_counted_as_by_arithmetic() -> None:
    arch = Arch.load("convnextv2_atto")
    found, ours = count_module(Network(arch, TASK), TASK), cost(arch, TASK)
    assert (found.flops, found.params, found.products) == (ours.flops, ours.params, 0)
