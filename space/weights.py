"""Weights under other names: timm's ConvNeXt, and the official code of ConvNeXt and ConvNeXt V2.

One table of names serves both directions. torch is not imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from space.arch import Arch, Task
from space.layers import Conv
from space.reading import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from space.network import Network

Naming = Literal["timm", "official"]
State = Mapping[str, "Tensor"]
Pairs = tuple[tuple[str, str], ...]  # from, to; {i} is a stage, {j} a block, and `.weight` or the like may follow

CODE: dict[Naming, str] = {"timm": "timm's ConvNeXt", "official": "the official ConvNeXt code"}

TIMM_NORMS: dict[str, str | None] = {"ln": None, "rms": "rmsnorm2d", "bn": "batchnorm2d"}  # None: its default
TIMM_ACTS = {"gelu": "gelu", "relu": "relu", "silu": "silu", "hardswish": "hard_swish"}

# Ours, timm's (timm 1.0, models/convnext.py), official (facebookresearch/ConvNeXt, models/convnext.py, and
# facebookresearch/ConvNeXt-V2, models/convnextv2.py).
BLOCK = (
    ("branch.conv1", "conv_dw", "dwconv"),
    ("branch.norm1", "norm", "norm"),
    ("branch.conv2", "mlp.fc1", "pwconv1"),
    ("branch.grn.weight", "mlp.grn.weight", "grn.gamma"),
    ("branch.grn.bias", "mlp.grn.bias", "grn.beta"),
    ("branch.conv3", "mlp.fc2", "pwconv2"),
    ("branch.scale.weight", "gamma", "gamma"),
)


def from_timm(state: State, arch: Arch) -> dict[str, Tensor]:
    """Weights of timm's `ConvNeXt` under the names that `Network(arch, ...)` has for them.

    A convolution without bias (`conv_bias=False`) gets a zero one where `arch` has one, which computes the same: timm's
    linear layers keep theirs. Raises InputError for a name that timm's ConvNeXt does not have, and for an `arch` that
    is no ConvNeXt.
    """
    found = _from(state, arch, "timm")
    if not any(name.endswith("conv_dw.bias") for name in state):
        for name in _biased(arch.layers(Task())):
            if f"{name}.weight" in found and f"{name}.bias" not in found:
                weight = found[f"{name}.weight"]
                found[f"{name}.bias"] = weight.new_zeros(len(weight))
    return found


def to_timm(state: State, arch: Arch, conv_mlp: bool = False) -> dict[str, Tensor]:
    """Weights of `Network(arch, ...)` under timm's names. `conv_mlp`: for a timm model with that option, whose linear
    layers are 1x1 convolutions. Raises InputError for what timm's ConvNeXt does not have."""
    found = _renamed(state, arch, "timm")
    if conv_mlp:
        for name, tensor in found.items():
            if re.search(r"\.fc[12]\.weight$", name):
                found[name] = tensor[:, :, None, None]  # (out, in) -> (out, in, 1, 1)
    return found


def timm_model(arch: Arch, task: Task) -> dict[str, Any]:
    """What `timm.create_model` takes to build `arch` for `task`. Raises InputError, one line, where timm's ConvNeXt
    cannot: it has four stages that share all options but depth, width and kernel, and inner widths of four times."""
    _check(arch, "timm")
    block, stem = arch.stages[0].block.to_dict(), arch.stem.to_dict()
    demands: list[tuple[str, Any, tuple[Any, ...]]] = [("number of stages", len(arch.stages), (4,))]
    if arch.stem.name == "patchify":
        demands.append(("stem.stride", stem["stride"], (1, 3, 4, 5, 6, 7)))  # 2 is halved again, from 8 on it dilates
    demands += [("stages[0].norm", block["norm"], tuple(TIMM_NORMS)), ("stages[0].act", block["act"], tuple(TIMM_ACTS))]
    for i, stage in enumerate(arch.stages):
        options = {name: (block[name],) for name in ("norm", "act", "layer_scale", "grn")}
        options |= {"groups": ("depthwise",), "expansion": (4.0,), "bias": (True,)}
        demands += [(f"stages[{i}].{name}", getattr(stage.block, name), allowed) for name, allowed in options.items()]
    demands += [("stem.norm", stem["norm"], (block["norm"],)), ("stem.bias", stem["bias"], (True,))]
    demands.append(("head.norm", arch.head.to_dict()["norm"], (block["norm"],)))
    _demand(demands, "timm")
    stem_type = "patch"
    if arch.stem.name == "two_convs":
        stem_type = "overlap_act" if stem["act"] else "overlap_tiered" if stem["tiered"] else "overlap"
        _demand([("stem.act", stem["act"], (None,) if stem["tiered"] else (None, block["act"]))], "timm")
    found: dict[str, Any] = {
        "model_name": "convnext_tiny", "ls_init_value": block["layer_scale"],
        "depths": [stage.depth for stage in arch.stages],
        "dims": [stage.width for stage in arch.stages], "num_classes": task.classes, "in_chans": task.channels,
        "kernel_sizes": [stage.block.kernel for stage in arch.stages],  # type: ignore[attr-defined]
        "use_grn": block["grn"], "act_layer": TIMM_ACTS[block["act"]],
        "stem_type": stem_type, "patch_size": stem.get("stride", 4),
        "head_norm_first": arch.head.to_dict()["norm_first"],
    }  # fmt: skip
    if block["layer_scale"] is None:  # create_model passes no None on, and this one has it by itself
        found |= {"model_name": "convnextv2_tiny"}
        del found["ls_init_value"]
    if TIMM_NORMS[block["norm"]]:
        found |= {"norm_layer": TIMM_NORMS[block["norm"]], "conv_mlp": True}
    return found


def from_official(state: State, arch: Arch) -> dict[str, Tensor]:
    """Weights of the official code under our names; of its isotropic networks where `arch` has one stage.

    Raises InputError for a name that the official code does not have, and for an `arch` that it cannot build.
    """
    return _from(state, arch, "official")


def to_official(state: State, arch: Arch) -> dict[str, Tensor]:
    """Weights of `Network(arch, ...)` under the names of the official code. Raises InputError as `from_official`."""
    found = _renamed(state, arch, "official")
    for name, tensor in found.items():
        if ".grn." in name:
            found[name] = tensor.reshape(1, 1, 1, -1)  # (C,) -> (1, 1, 1, C)
    return found


def load_weights(network: Network, state: State) -> str:
    """Puts `state`, in our names, timm's or the official ones, into `network`; all of it, or nothing. Says whose they
    were.

    Raises InputError that names a tensor which has no place, is missing or has another shape.
    """
    own, arch = network.state_dict(), network.arch
    naming = _recognise(state, own, arch)
    pairs = _pairs(arch, naming) if naming else ()
    found = {"timm": from_timm, "official": from_official}[naming](state, arch) if naming else dict(state)
    for name in {**found, **own}:
        theirs = _rename(name, pairs) or name
        if name not in own:
            raise InputError(f"weights must have a place in the network, got {theirs}; compare depths and options")
        if name not in found:
            raise InputError(f"weights must hold {theirs}, got none of that name; compare depths and options")
        if found[name].shape != own[name].shape:
            shapes = f"{tuple(own[name].shape)}, got {tuple(found[name].shape)}"
            raise InputError(f"{theirs} must have the shape {shapes}; compare widths, kernels and classes")
    network.load_state_dict(found)
    return f"names of {CODE[naming] if naming else 'this project'}"


def _recognise(state: State, own: State, arch: Arch) -> Naming | None:
    """The naming that knows most of the names; None for our own."""
    known: dict[Naming | None, int] = {None: sum(name in own for name in state)}
    for naming in CODE:
        pairs = _reversed(_pairs(arch, naming))
        known[naming] = sum(_rename(name, pairs) is not None for name in state)
    best = max(known, key=lambda naming: known[naming])
    if not known[best]:
        raise InputError(
            f"weights must have names of this project, timm's or the official ones, got {next(iter(state), 'none')}; "
            "pass the mapping of names to tensors itself, in many files the entry `model`"
        )
    return best


def _from(state: State, arch: Arch, naming: Naming) -> dict[str, Tensor]:
    _check(arch, naming)
    pairs, found = _reversed(_pairs(arch, naming)), {}
    for name, tensor in state.items():
        ours = _rename(name, pairs)
        if ours is None:
            raise InputError(f"weights must have names of {CODE[naming]}, got {name}; compare the network's options")
        if tensor.ndim == 4 and re.search(r"\.branch\.conv[23]\.weight$", ours):
            tensor = tensor.flatten(1)  # (out, in, 1, 1) -> (out, in), where timm has conv_mlp
        found[ours] = tensor.flatten() if ".grn." in ours else tensor  # (1, 1, 1, C) -> (C,)
    return found


def _renamed(state: State, arch: Arch, naming: Naming) -> dict[str, Tensor]:
    _check(arch, naming)
    pairs, found = _pairs(arch, naming), {}
    for name, tensor in state.items():
        theirs = _rename(name, pairs)
        if theirs is None:
            raise InputError(
                f"weights must have a place in {CODE[naming]}, got {name}; {CODE[naming]} has no such layer"
            )
        found[theirs] = tensor
    return found


def _check(arch: Arch, naming: Naming) -> None:
    """Refuses networks that compute something else with tensors of the same names and shapes."""
    _demand(_demands(arch, naming), naming)


def _demand(demands: Iterable[tuple[str, Any, tuple[Any, ...]]], naming: Naming) -> None:
    for field, got, allowed in demands:
        if got not in allowed:
            choices, shown = (" or ".join(_word(value) for value in values) for values in (allowed, (got,)))
            raise InputError(f"{field} must be {choices}, got {shown}; {CODE[naming]} has no other")


def _demands(arch: Arch, naming: Naming) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """(field, its value, what may stand there). timm takes norm and activation as arguments."""
    options = {"norm_after": "1", "act_after": "2"}
    if naming == "official":
        options |= {"norm": "ln", "act": "gelu"}
    for i, stage in enumerate(arch.stages):
        yield f"stages[{i}].block", stage.block.name, ("convnext", "depthwise_first")
        for name, value in options.items():
            yield f"stages[{i}].{name}", getattr(stage.block, name), (value,)
        yield f"stages[{i}].downsample", stage.downsample if i else "separate", ("separate",)
    yield "stem.kind", arch.stem.name, ("patchify", "two_convs") if naming == "timm" else ("patchify",)
    if arch.stem.name == "patchify":
        yield "stem.act", arch.stem.to_dict()["act"], (None,)
    yield "head.kind", arch.head.name, ("linear",)
    if naming == "official":
        yield "head.norm_first", arch.head.to_dict()["norm_first"], (False,)


def _word(value: Any) -> str:
    """As in YAML."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _pairs(arch: Arch, naming: Naming) -> Pairs:
    """Ours and theirs."""
    if naming == "timm":
        return _timm(arch)
    return _isotropic() if len(arch.stages) == 1 else _official()


def _timm(arch: Arch) -> Pairs:
    stem, head = arch.stem.to_dict(), arch.head.to_dict()
    in_stem: tuple[str, ...] = ("conv", "norm")
    if arch.stem.name == "two_convs":
        in_stem = ("conv1", "conv2", "norm") if stem["act"] is None else ("conv1", "act", "conv2", "norm")
    return (
        *((f"stem.{name}", f"stem.{place}") for place, name in enumerate(in_stem)),
        ("stages.{i}.downsample.norm", "stages.{i}.downsample.0"),
        ("stages.{i}.downsample.conv", "stages.{i}.downsample.1"),
        *(("stages.{i}.blocks.{j}." + ours, "stages.{i}.blocks.{j}." + timms) for ours, timms, _ in BLOCK),
        ("head.norm", "norm_pre" if head.get("norm_first") else "head.norm"),
        ("head.linear", "head.fc"),
    )


def _official() -> Pairs:
    return (
        ("stem.conv", "downsample_layers.0.0"),
        ("stem.norm", "downsample_layers.0.1"),
        ("stages.{i}.downsample.norm", "downsample_layers.{i}.0"),
        ("stages.{i}.downsample.conv", "downsample_layers.{i}.1"),
        *(("stages.{i}.blocks.{j}." + ours, "stages.{i}.{j}." + official) for ours, _, official in BLOCK),
        ("head.norm", "norm"),
        ("head.linear", "head"),
    )


def _isotropic() -> Pairs:
    """models/convnext_isotropic.py of facebookresearch/ConvNeXt."""
    return (
        ("stem.conv", "stem"),
        *(("stages.0.blocks.{j}." + ours, "blocks.{j}." + official) for ours, _, official in BLOCK),
        ("head.norm", "norm"),
        ("head.linear", "head"),
    )


def _reversed(pairs: Pairs) -> Pairs:
    return tuple((b, a) for a, b in pairs)


def _rename(name: str, pairs: Pairs) -> str | None:
    """`name` by the first pair that it fits; None where there is none."""
    for source, target in pairs:
        found = _pattern(source).fullmatch(name)
        if found:
            return target.format_map(found.groupdict()) + (found["leaf"] or "")
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    places = re.sub(r"\\{(\w)\\}", r"(?P<\1>\\d+)", re.escape(template))
    return re.compile(places + r"(?P<leaf>\.\w+)?")


def _biased(layers: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of the convolutions that have a bias, at any depth of `layers`."""
    for name, layer in layers.items():
        if isinstance(layer, dict):
            yield from _biased(layer, f"{prefix}{name}.")
        elif isinstance(layer, Conv) and layer.bias:
            yield prefix + name
