"""Networks for small images that timm and the presets do not have, as references beside a study's front:

    nas reference STUDY examples/references.py:cifar_resnet --scale

Each function is called with the task of the study, and with `scale` where --scale asks for other widths. An argument
can be told behind the name: examples/references.py:cifar_resnet:blocks=2.
"""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


def _times(width: float, multiple: int = 8) -> int:
    return max(1, round(width / multiple)) * multiple


class BasicBlock(nn.Module):
    """`relu(shortcut(x) + bn(conv3x3(relu(bn(conv3x3(x))))))` (arXiv 1512.03385)."""

    def __init__(self, inputs: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        plain = stride == 1 and inputs == out
        projection = (nn.Conv2d(inputs, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.shortcut = nn.Identity() if plain else nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H / stride, W / stride)."""
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(self.shortcut(x) + y)


def cifar_resnet(classes: int, channels: int, blocks: int = 3, width: int = 16, scale: float = 1.0) -> nn.Module:
    """The paper's for CIFAR-10, of 6 `blocks` + 2 layers: a 3x3 stem, three stages of `width`, twice and four times
    as many channels. ResNet-20 has 3 blocks to a stage; at 32 px it takes 41M FLOPs."""
    widths = [_times(scale * width * 2**stage) for stage in range(3)]
    inputs = widths[0]
    layers: list[nn.Module] = [nn.Conv2d(channels, inputs, 3, 1, 1, bias=False), nn.BatchNorm2d(inputs), nn.ReLU()]
    for stage, out in enumerate(widths):
        for block in range(blocks):
            layers.append(BasicBlock(inputs, out, 2 if stage and not block else 1))
            inputs = out
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def vit(
    classes: int, image_size: int, channels: int, patch: int = 4, depth: int = 6, width: int = 192, scale: float = 1.0
) -> nn.Module:
    """A vision transformer (arXiv 2010.11929) of heads of 32 channels, that averages its tokens."""
    width = _times(scale * width, 32)
    return VisionTransformer(
        img_size=image_size, patch_size=patch, in_chans=channels, num_classes=classes, embed_dim=width, depth=depth,
        num_heads=width // 32, class_token=False, global_pool="avg",
    )  # fmt: skip


def swin(
    classes: int, image_size: int, channels: int, patch: int = 2, window: int = 4, width: int = 48, scale: float = 1.0
) -> nn.Module:
    """Swin (arXiv 2103.14030) in three stages of two blocks; heads have 8 channels or more."""
    width = _times(scale * width, 16)
    return SwinTransformer(
        img_size=image_size, patch_size=patch, in_chans=channels, num_classes=classes, embed_dim=width,
        depths=(2, 2, 2), num_heads=(2, 4, 8), window_size=window, drop_path_rate=0.0,
    )  # fmt: skip


class LargeKernelAttention(nn.Module):
    """`x * conv1x1(dilated(depthwise(x)))`: a 21x21 depthwise convolution in two small ones (arXiv 2202.09741)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.far = nn.Conv2d(width, width, 7, padding=9, dilation=3, groups=width)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        attention: Tensor = self.mix(self.far(self.near(x)))
        return x * attention


class VanBlock(nn.Module):
    """VAN's: large kernel attention, then a convolutional MLP, each added to its input, which BatchNorm takes first."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        hidden = ratio * width
        self.attend = nn.Sequential(
            nn.BatchNorm2d(width), nn.Conv2d(width, width, 1), nn.GELU(), LargeKernelAttention(width),
            nn.Conv2d(width, width, 1),
        )  # fmt: skip
        self.mlp = nn.Sequential(
            nn.BatchNorm2d(width), nn.Conv2d(width, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.GELU(), nn.Conv2d(hidden, width, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        x = torch.add(x, self.attend(x))
        return torch.add(x, self.mlp(x))


def van(classes: int, channels: int, stem: int = 2, width: int = 32, scale: float = 1.0) -> nn.Module:
    """A Visual Attention Network (arXiv 2202.09741) in three stages of two blocks for small images."""
    layers: list[nn.Module] = []
    inputs = channels
    for stage, (times, ratio) in enumerate(((1, 8), (2, 8), (5, 4))):  # widths 32, 64, 160: those of VAN-B0
        out, stride = _times(scale * width * times), 2 if stage else stem
        layers += [nn.Conv2d(inputs, out, 3, stride, 1), nn.BatchNorm2d(out)]
        layers += [VanBlock(out, ratio) for _ in range(2)]
        inputs = out
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(inputs), nn.Linear(inputs, classes))
    return nn.Sequential(*layers, *head)
