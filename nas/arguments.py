"""Arguments of the Python API, checked by their annotations: a wrong type is one line, as on the command line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from numbers import Integral, Real
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
    """The function, which raises InputError for an argument that is none of the plain types of its annotation, and is
    given numbers of numpy and pandas as Python's. Annotations with other types are not looked at."""
    known, name = signature(function), function.__qualname__

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = known.bind(*args, **kwargs)
        for field, value in bound.arguments.items():
            bound.arguments[field] = _plain(field, value, known.parameters[field], f"see help(nas.{name})")
        return function(*bound.args, **bound.kwargs)

    return call


def _plain(field: str, value: Any, parameter: Parameter, step: str) -> Any:
    kinds = str(parameter.annotation).split(" | ")
    if kinds[0].startswith("Sequence[") and isinstance(value, str):
        raise InputError(f"{field} must be a list, got {shortened(value)}; {step}")
    if parameter.kind is Parameter.VAR_POSITIONAL or not all(kind in _KINDS for kind in kinds):
        return value
    allowed = [type_ for kind in kinds for type_ in _KINDS[kind][0]]
    a_bool = isinstance(value, bool)
    if bool in allowed if a_bool else isinstance(value, tuple(allowed)):
        return value
    if not a_bool and int in allowed and isinstance(value, Integral):
        return int(value)
    if not a_bool and float in allowed and isinstance(value, Real):
        return float(value)
    rule = " or ".join(words for kind in kinds if (words := _KINDS[kind][1]))
    raise InputError(f"{field} must be {rule}, got {shortened(value)}; {step}")
