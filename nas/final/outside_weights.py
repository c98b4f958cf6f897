"""Weights in a file from elsewhere, read without running anything of it."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from nas.data.cache import Note
from nas.process.errors import first_line
from space import InputError

# Keys below which weights stand: of the official ConvNeXt, timm and torchvision.
PLAIN, AVERAGED = ("model", "state_dict", "module"), ("model_ema", "state_dict_ema", "ema")
FIRST = re.compile(r"((?:\w+\.)*?)(?:stem|downsample_layers)\.")  # the first part in every naming, and what is before


@dataclass(frozen=True, slots=True)
class OutsideWeights:
    """Tensors in float32 by their bare names, and the classes where the file names them."""

    tensors: dict[str, Tensor]
    classes: tuple[str, ...] | None


def read_weights(path: Path, ema: bool | None = None, on_note: Note = lambda note: None) -> OutsideWeights:
    """The weights of a .safetensors file, or of one that torch.save wrote: a state dict, or one below `model` or the
    like, where a prefix before all names (`module.`, `_orig_mod.`) is taken off.

    `ema`: averaged weights, or plain ones; None: averaged ones where the file has them. `on_note` hears what was taken.
    Raises InputError, one line, for anything else.
    """
    content = _content(path)
    key = _key(content, path.name, ema, on_note)
    state = content if key is None else content[key]
    if not state or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        got = ", ".join(map(str, list(state)[:3])) or "nothing"
        raise InputError(f"checkpoint must map names to tensors, got {got} in {path.name}; save a state dict")
    prefixes = {found[1] for name in state if (found := FIRST.match(name))}
    if len(prefixes) > 1:
        raise InputError(f"checkpoint must hold one network, got several in {path.name}; save the state dict of one")
    prefix = next(iter(prefixes), "")
    if key or prefix:
        below = f"weights from {key}" if key else "weights"
        on_note(f"{path.name}: {below}{f', without {prefix} in their names' if prefix else ''}")
    return OutsideWeights({n.removeprefix(prefix): value.float() for n, value in state.items()}, _classes(content))


def _content(path: Path) -> dict[Any, Any]:
    if not path.is_file():
        raise InputError(f"checkpoint must be a file, got {path}; check the path")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals([argparse.Namespace]):  # settings of training scripts
            content = torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # safetensors', zip's and pickle's own
        named = re.search(r"GLOBAL (\S+) w", str(error))
        reason = f"{named[1]} in it, which was not run" if named else first_line(error).partition(". ")[0]
        raise InputError(
            f"checkpoint must be safetensors or torch's of tensors and plain settings, got {path.name} ({reason}); "
            "save a state dict"
        ) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise InputError(f"checkpoint must map names to tensors, got a {kind} in {path.name}; save a state dict")
    return content


def _key(content: dict[Any, Any], file: str, ema: bool | None, on_note: Note) -> str | None:
    """Below which the wanted weights stand; None for a bare state dict."""
    there = [key for key, value in content.items() if isinstance(value, dict) and value]
    plain, averaged = (next((key for key in keys if key in there), None) for keys in (PLAIN, AVERAGED))
    if ema and averaged is None:
        raise InputError(f"weights must be plain ones in {file}, which has no others, got --ema; leave it out")
    if ema is False and averaged and plain is None:
        raise InputError(f"weights must be averaged ones in {file}, which has no others, got --no-ema; use --ema")
    if plain and averaged:
        taken, other = ("plain", "averaged, --ema") if ema is False else ("averaged", "plain, --no-ema")
        on_note(f"{file} holds plain weights and averaged ones, the {taken} are taken ({other})")
    return plain if ema is False else averaged or plain


def _classes(content: dict[Any, Any]) -> tuple[str, ...] | None:
    """Class names by logit, where they stand beside the weights as torchvision's folders have them."""
    index = content.get("class_to_idx")
    by_logit = {logit: name for name, logit in index.items()} if isinstance(index, dict) else {}
    whole = by_logit.keys() == set(range(len(by_logit)))
    names = [by_logit[logit] for logit in range(len(by_logit))] if by_logit and whole else content.get("classes")
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
