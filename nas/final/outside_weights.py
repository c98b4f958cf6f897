"""Weights in a file from elsewhere: read without running anything of it, and taken out of what they are wrapped in."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from nas.data.cache import Note
from nas.records.errors import first_line
from space import InputError

# Keys below which weights stand: of the official ConvNeXt, timm, torchvision, Lightning, DeepSpeed.
KEYS = (
    "model", "state_dict", "model_state_dict", "model_state", "module", "net", "network", "weights", "model_ema",
    "state_dict_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema",
)  # fmt: skip
AVERAGED = {"ema", "averaged", "average", "avg", "swa"}  # words of keys and prefixes of averaged weights
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # torch's own, at any depth of a name
FIRST = re.compile(r"((?:\w+\.)*?)(?:stem|downsample_layers)\.")  # the first part in every naming, and what is before


class Other:
    """Stands for what a checkpoint has beside its weights: settings, paths, dates, numpy's numbers. Takes anything and
    does nothing, so that not even the constructors of those are run."""

    def __init__(self, *given: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def _mapping(*given: object) -> dict[Any, Any]:
    """For dicts of other types: torch fills no other."""
    return {}


_OTHERS = {
    "argparse": "Namespace", "builtins": "list dict int float str tuple bool frozenset slice range",
    "datetime": "datetime date time timedelta timezone", "numpy": "dtype ndarray",
    "numpy.core.multiarray": "scalar _reconstruct", "numpy._core.multiarray": "scalar _reconstruct",
    "pathlib": "Path PosixPath WindowsPath PurePosixPath PureWindowsPath", "types": "SimpleNamespace",
    "pathlib._local": "PosixPath WindowsPath PurePosixPath PureWindowsPath", "torch.torch_version": "TorchVersion",
    "omegaconf.base": "ContainerMetadata Metadata", "omegaconf.dictconfig": "DictConfig", "typing": "Any",
    "omegaconf.listconfig": "ListConfig", "omegaconf.nodes": "AnyNode",
}  # fmt: skip
STAND_INS: dict[str, Callable[..., Any]] = {
    **{f"{module}.{name}": Other for module, names in _OTHERS.items() for name in names.split()},
    "collections.defaultdict": _mapping,
    "lightning.fabric.utilities.data.AttributeDict": dict,
    "lightning_fabric.utilities.data.AttributeDict": dict,
    "pytorch_lightning.utilities.parsing.AttributeDict": dict,
}


@dataclass(frozen=True, slots=True)
class OutsideWeights:
    """Tensors in float32 by their bare names, and the classes where the file names them."""

    tensors: dict[str, Tensor]
    classes: tuple[str, ...] | None


def read_weights(path: Path, ema: bool | None = None, on_note: Note = lambda note: None) -> OutsideWeights:
    """The weights of a .safetensors file, or of one that torch.save wrote, where they may stand below `model` or the
    like, with prefixes before their names. `on_note` hears of what was taken off.

    `ema`: averaged weights, or plain ones; None: averaged ones where the file has them. Raises InputError, one line,
    for anything but tensors and settings of known types.
    """
    content = _content(path)
    choose = partial(_choose, path.name, ema, on_note)
    state, keys = _inside(content, choose)
    if wrong := _no_tensors(state):
        raise InputError(f"checkpoint must map names to tensors, got {wrong} in {path.name}; save its state dict")
    names, taken = _bare(state, path.name, choose, on_note)
    if ema and not any(map(_is_averaged, keys + taken)):
        raise InputError(f"weights must be plain ones in {path.name}, which has no others, got --ema; leave it out")
    if keys or taken:
        below = f"weights from {'.'.join(keys)}" if keys else "weights"
        off = f", without {', '.join(taken)} in their names" if taken else ""
        on_note(f"{path.name}: {below}{off}")
    return OutsideWeights({bare: state[name].float() for bare, name in names.items()}, _classes(content))


def _no_tensors(state: Any) -> str:
    """What stands there instead of names and tensors, or nothing."""
    if not isinstance(state, dict):
        return f"a {type(state).__name__}"
    wrong = (f"another value at {k}" for k, v in state.items() if not (isinstance(k, str) and isinstance(v, Tensor)))
    return next(wrong, "" if state else "nothing")


def _content(path: Path) -> Any:
    """Whatever is in the file."""
    if not path.is_file():
        raise InputError(f"checkpoint must be a file, got {path}; check the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        known = torch.serialization.safe_globals([(to, name) for name, to in STAND_INS.items()])
        with known, warnings.catch_warnings(action="ignore"):  # a warning of pickle's protocol
            return torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # safetensors', zip's and pickle's own
        raise _unreadable(path.name, error) from error


def _unreadable(file: str, error: Exception) -> InputError:
    """By the type in the file that torch does not make, else by what torch says."""
    if named := re.search(r"GLOBAL (\S+) w", str(error)):
        return InputError(
            f"checkpoint must hold tensors and plain settings alone, got {named[1]} in {file}, which was not run; "
            "save its state dict"
        )
    said = re.search(r"WeightsUnpickler error:\s+(.+)", str(error))
    reason = said[1] if said else first_line(error).partition(". ")[0]  # what follows is advice to run the file
    return InputError(f"checkpoint must be safetensors or torch's, got {file} ({reason}); convert it")


Choose = Callable[[str | None, str | None], str | None]  # between plain weights and averaged ones, which may be absent


def _choose(file: str, ema: bool | None, on_note: Note, plain: str | None, averaged: str | None) -> str | None:
    if averaged is None:
        return plain
    if plain is None and ema is False:
        raise InputError(f"weights must be averaged ones in {file}, which has no others, got --no-ema; use --ema")
    if plain is not None:
        taken, other = ("plain", "averaged, --ema") if ema is False else ("averaged", "plain, --no-ema")
        on_note(f"{file} holds plain weights and averaged ones, the {taken} are taken ({other})")
    return plain if ema is False else averaged


def _is_averaged(name: str) -> bool:
    return not AVERAGED.isdisjoint(re.split(r"[._]", name))


def _inside(found: Any, choose: Choose) -> tuple[Any, list[str]]:
    """What stands below the keys of wrappers, and those keys."""
    keys: list[str] = []
    while isinstance(found, dict):
        here = [key for key in KEYS if isinstance(found.get(key), dict) and found[key]]
        key = choose(*_plain_and_averaged(here))
        if key is None:
            break
        keys.append(key)
        found = found[key]
    return found, keys


def _plain_and_averaged(names: Iterable[str]) -> tuple[str | None, str | None]:
    """The first of each."""
    plain, averaged = (next((n for n in names if _is_averaged(n) is wanted), None) for wanted in (False, True))
    return plain, averaged


def _bare(state: dict[str, Tensor], file: str, choose: Choose, on_note: Note) -> tuple[dict[str, str], list[str]]:
    """The network's names, without torch's wrappers and without what stands before its stem's, to the file's own; and
    what was taken off."""
    names, taken = {name: name for name in state}, []
    for wrapper in WRAPPERS:
        if any(wrapper in name for name in names):
            taken.append(wrapper)
            names = {name.replace(wrapper, ""): source for name, source in names.items()}
    prefixes = sorted({found[1] for name in names if (found := FIRST.match(name))})
    if len({_is_averaged(prefix) for prefix in prefixes}) < len(prefixes) or len(names) < len(state):
        raise InputError(f"checkpoint must hold one network, got several in {file}; save the state dict of one")
    prefix = choose(*_plain_and_averaged(prefixes))
    if prefix is None:
        return names, taken
    below = {name: max((p for p in prefixes if name.startswith(p)), key=len, default=None) for name in names}
    if left := [name for name, its in below.items() if its is None]:
        more = f" and {len(left) - 3} more" if left[3:] else ""
        on_note(f"{file}: left out, as they are not below {prefix}: {', '.join(left[:3])}{more}")
    own = {name.removeprefix(prefix): source for name, source in names.items() if below[name] == prefix}
    return own, [*taken, prefix] if prefix else taken


def _classes(content: Any) -> tuple[str, ...] | None:
    """Class names by logit, where they stand beside the weights as torchvision's folders have them."""
    if not isinstance(content, dict):
        return None
    index = content.get("class_to_idx")
    if isinstance(index, dict):
        by_logit = {logit: str(name) for name, logit in index.items() if isinstance(logit, int)}
        if by_logit.keys() == set(range(len(index))):
            return tuple(by_logit[logit] for logit in range(len(index)))
    names = content.get("classes", content.get("class_names"))
    if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None
