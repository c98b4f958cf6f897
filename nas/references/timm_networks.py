"""Networks of timm for a study's task, and at other widths by the arguments that each family has for it.

timm is imported where a network is asked of it; it comes with the extra `train`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import Any

from torch import nn

from nas.references.building import Variant, made
from space import InputError, Task
from space.scaling import MULTIPLE

NEEDS = "timm must be installed for a network of it; pip install -e '.[train]'"


@dataclass(frozen=True)
class Timm:
    """A model of timm, never pretrained. `arguments`: of its constructor, beside those that the task gives."""

    text: str
    model: str
    arguments: Mapping[str, Any]
    task: Task
    drop_path: float | None

    def __post_init__(self) -> None:
        if not is_timm(self.model):
            near = near_names(self.model, names_of_timm())
            raise InputError(f"network must be a model of timm, got {self.model}; {near}")

    @property
    def name(self) -> str:
        return ":".join(["timm", self.model, *(f"{key}={value}" for key, value in self.arguments.items())])

    @property
    def origin(self) -> str:
        return f"timm {_timm().__version__}"

    @property
    def unscalable(self) -> str | None:
        kind = type(self._plain).__name__
        return None if kind in WIDTHS or kind in ROUNDED else f"nas knows no width argument of timm's {kind}"

    def at(self, scale: float | None) -> Variant:
        """With the family's arguments for widths times `scale`; those that were given stay."""
        if scale is None:
            words = ", ".join(f"{key} {value}" for key, value in self.arguments.items())
            return Variant(self._make, words or "as it is")
        kind = type(self._plain).__name__
        if kind in ROUNDED:
            return Variant(partial(self._rounded, scale), f"channels times {scale:g}")
        widths = WIDTHS[kind](self._plain, scale)
        words = ", ".join(f"{key} {_dashed(value)}" for key, value in widths.items())
        return Variant(partial(self._make, **widths), words)

    @cached_property
    def _plain(self) -> nn.Module:
        return made(self.name, Variant(self._make, ""))

    def _make(self, **widths: Any) -> nn.Module:
        """Image size and drop path for those that take them."""
        about = {"num_classes": self.task.classes, "in_chans": self.task.channels}
        maybe = {"img_size": self.task.image_size, "drop_path_rate": self.drop_path}  # None: timm leaves it out
        while True:
            try:
                told = {**about, **maybe, **widths, **self.arguments}
                network: nn.Module = _timm().create_model(self.model, pretrained=False, **told)
                return network
            except TypeError as error:
                refused = [name for name in maybe if name in str(error)]
                if not refused:
                    raise
                del maybe[refused[0]]

    def _rounded(self, scale: float) -> nn.Module:
        with _rounding(ROUNDED[type(self._plain).__name__], scale):
            return self._make()


def _timm() -> Any:
    try:
        return import_module("timm")
    except ImportError as error:
        raise InputError(NEEDS) from error


def is_timm(name: str) -> bool:
    """Whether timm has a model of that name; False where it is not installed."""
    try:
        return bool(_timm().is_model(name))
    except InputError:
        return False


def names_of_timm() -> list[str]:
    """All models of timm; none where it is not installed."""
    try:
        return list(_timm().list_models())
    except InputError:
        return []


def near_names(word: str, known: list[str]) -> str:
    """For the end of an error: up to three names near to a word, of more than a line could list."""
    import difflib  # only where something is misspelt

    close = difflib.get_close_matches(word, sorted(set(known)), n=3)
    if close:
        return f"the nearest are {', '.join(close)}"
    return "`nas presets networks` lists ours, `timm.list_models()` timm's"


def _multiple(width: float, of: int = MULTIPLE) -> int:
    return max(1, round(width / of)) * of


def _dashed(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _outputs(network: Any) -> list[int]:
    """Channels of its stem and stages."""
    return [info["num_chs"] for info in network.feature_info]


def _resnet(network: Any, scale: float) -> dict[str, Any]:
    """Its stem, 64 channels in timm whatever the rest, stays."""
    expansion = type(network.layer1[0]).expansion
    return {"channels": tuple(_multiple(width // expansion * scale) for width in _outputs(network)[1:])}


def _convnext(network: Any, scale: float) -> dict[str, Any]:
    return {"dims": tuple(_multiple(width * scale) for width in _outputs(network))}


def _swin(network: Any, scale: float) -> dict[str, Any]:
    """As many heads as before: they share the width, and those of later stages its multiples."""
    heads = network.layers[0].blocks[0].attn.num_heads
    return {"embed_dim": _multiple(network.embed_dim * scale, math.lcm(MULTIPLE, heads))}


def _vit(network: Any, scale: float) -> dict[str, Any]:
    """Likewise."""
    return {"embed_dim": _multiple(network.embed_dim * scale, math.lcm(MULTIPLE, network.blocks[0].attn.num_heads))}


# by the name of the class that timm builds
WIDTHS: dict[str, Callable[[Any, float], dict[str, Any]]] = {
    "ResNet": _resnet, "ConvNeXt": _convnext, "SwinTransformer": _swin, "SwinTransformerV2": _swin,
    "VisionTransformer": _vit,
}  # fmt: skip
ROUNDED = {"EfficientNet": "efficientnet", "MobileNetV3": "mobilenetv3"}  # and the module of its definitions


@contextmanager
def _rounding(module: str, scale: float) -> Iterator[None]:
    """timm's EfficientNets and MobileNets have their multiplier of channels in the code, where no argument reaches it.
    All go through `round_channels` of their module, which multiplies by `scale` too while this lasts."""
    place = import_module(f"timm.models.{module}")
    before = place.round_channels

    def wider(channels: float, multiplier: float | None = None, *rest: Any, **named: Any) -> Any:
        times = 1.0 if multiplier is None else multiplier * scale  # without one: of squeezes, whose input is wider
        return before(channels, times, *rest, **named)

    place.round_channels = wider  # type: ignore[attr-defined]
    try:
        yield
    finally:
        place.round_channels = before  # type: ignore[attr-defined]
