"""Weights in a file from elsewhere: read without running anything of it, and taken out of what they are wrapped in."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from nas.data.cache import Note
from nas.records.errors import first_line
from space import InputError

# Keys below which weights stand: of the official ConvNeXt, timm, torchvision, Lightning, DeepSpeed.
PLAIN = ("model", "state_dict", "model_state_dict", "model_state", "module", "net", "network", "weights")
AVERAGED = ("model_ema", "state_dict_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema")
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # torch's own, at any depth of a name
COUNTER = "n_averaged"  # a tensor of torch.optim.swa_utils.AveragedModel


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
    state, keys = _inside(content, path.name, ema, on_note)
    wrong = next((name for name, value in state.items() if not isinstance(value, Tensor)), None)
    if wrong is not None or not state:
        got = "nothing" if wrong is None else f"another value at {wrong}"
        raise InputError(f"checkpoint must map names to tensors, got {got} in {path.name}; save its state dict")
    bare, prefixes = _bare(state, path.name)
    if keys or prefixes:
        below = f"weights from {'.'.join(keys)}" if keys else "weights"
        off = f", without {', '.join(prefixes)} in their names" if prefixes else ""
        on_note(f"{path.name}: {below}{off}")
    return OutsideWeights({name: value.float() for name, value in bare.items()}, _classes(content))


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


def _inside(found: Any, file: str, ema: bool | None, on_note: Note) -> tuple[dict[str, Any], list[str]]:
    """What stands below the keys of wrappers, and those keys."""
    keys: list[str] = []
    while isinstance(found, dict):
        plain, averaged = (_key(found, known) for known in (PLAIN, AVERAGED))
        if plain and averaged:
            taken, other = ("plain", "averaged, --ema") if ema is False else ("averaged", "plain, --no-ema")
            on_note(f"{file} holds plain weights and averaged ones, the {taken} are taken ({other})")
        elif averaged and ema is False:
            raise InputError(f"weights must be averaged ones in {file}, which has no others, got --no-ema; use --ema")
        key = plain if ema is False else averaged or plain
        if key is None:
            break
        keys.append(key)
        found = found[key]
    if ema and not any(key in AVERAGED for key in keys):
        raise InputError(f"weights must be plain ones in {file}, which has no averaged ones, got --ema; leave it out")
    if not isinstance(found, dict):
        raise InputError(
            f"checkpoint must map names to tensors, got {type(found).__name__} in {file}; save its state dict"
        )
    return found, keys


def _key(found: dict[str, Any], known: tuple[str, ...]) -> str | None:
    return next((key for key in known if isinstance(found.get(key), dict) and found[key]), None)


def _bare(state: dict[str, Tensor], file: str) -> tuple[dict[str, Tensor], list[str]]:
    """Names without torch's wrappers, and without the modules that all of them stand below: no network has all its
    weights in one part."""
    names, taken = {name: name for name in state if name != COUNTER}, []
    for wrapper in WRAPPERS:
        if any(wrapper in name for name in names.values()):
            taken.append(wrapper)
            names = {name: bare.replace(wrapper, "") for name, bare in names.items()}
    while len({bare.partition(".")[0] for bare in names.values()}) == 1 and all("." in n for n in names.values()):
        taken.append(next(iter(names.values())).partition(".")[0] + ".")
        names = {name: bare.partition(".")[2] for name, bare in names.items()}
    if len(set(names.values())) < len(names):
        raise InputError(
            f"names must differ without {', '.join(taken)}, got the same twice in {file}; save its state dict"
        )
    return {bare: state[name] for name, bare in names.items()}, taken


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
