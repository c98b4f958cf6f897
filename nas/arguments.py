"""Arguments of the Python API, checked by their annotations: a wrong type is one line, as on the command line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import Any, ParamSpec, TypeVar

from space.reading import InputError, shortened

P = ParamSpec("P")
R = TypeVar("R")

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "text"), "Path": ((Path,), "a path"), "bool": ((bool,), "True or False"),
    "int": ((int,), "a whole number"), "float": ((int, float), "a number"), "None": ((NoneType,), ""),
}  # fmt: skip


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which raises InputError for an argument that is none of the plain types of its annotation.
    Annotations with other types are not looked at."""
    known, name = signature(function), function.__qualname__

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for field, value in known.bind(*args, **kwargs).arguments.items():
            _check(field, value, known.parameters[field], f"see help(nas.{name})")
        return function(*args, **kwargs)

    return call


def _check(field: str, value: Any, parameter: Parameter, step: str) -> None:
    kinds = str(parameter.annotation).split(" | ")
    if kinds[0].startswith("Sequence[") and isinstance(value, str):
        raise InputError(f"{field} must be a list, got {shortened(value)}; {step}")
    if parameter.kind is Parameter.VAR_POSITIONAL or not all(kind in _KINDS for kind in kinds):
        return
    allowed = [type_ for kind in kinds for type_ in _KINDS[kind][0]]
    if bool in allowed if isinstance(value, bool) else isinstance(value, tuple(allowed)):
        return
    rule = " or ".join(words for kind in kinds if (words := _KINDS[kind][1]))
    raise InputError(f"{field} must be {rule}, got {shortened(value)}; {step}")
