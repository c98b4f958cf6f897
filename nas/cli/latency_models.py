"""Latency models on the command line: whether a name is a space's, and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nas.cli.base import print_json
from nas.latency.front import AXIS
from space.latency_model import LatencyModel
from space.reading import InputError, is_file, load_yaml, presets

UNITS = "nanoseconds of a forward pass of a batch in float32: of any network, and for each call, element and mac"


def is_space(what: str, *asked: object) -> bool:
    """Whether a space is meant: a name that only a preset space has, a file with axes, or whatever it is where
    something is `asked` that is of spaces."""
    if is_file(Path(what)):
        with suppress(InputError):  # which loading it as a network tells
            return "axes" in load_yaml(Path(what))
    told = any(each is not None for each in asked)
    return told or (what in presets("spaces") and what not in presets("networks"))


def print_models(made: Sequence[tuple[LatencyModel, Path]], as_json: bool) -> None:
    """What each says of networks that it has not seen, and where it is."""
    if as_json:
        rows = [{"file": str(path), **model.to_dict()} for model, path in made]
        print_json({AXIS: UNITS}, rows)
        return
    for model, path in made:
        print(f"{path}: {model.where}, {model.networks} networks of space {model.space} at {model.image_size} px")
        print(f"  {model.error}")
