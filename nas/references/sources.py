"""Names of reference networks, and what stands behind them: networks of ours, timm's, and functions of anyone's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import yaml

from nas import __version__
from nas.export.arch_source import load_arch
from nas.process.errors import first_line
from nas.references.building import Variant
from nas.references.timm_networks import Timm, is_timm, names_of_timm, near_names
from space import Arch, InputError, Stage, Task
from space.network import Network
from space.reading import is_file, presets
from space.scaling import MULTIPLE

PREFIX = "timm"


class Source(Protocol):
    """Something that builds networks for a task, at any scale of their widths where it can."""

    @property
    def text(self) -> str:
        """As it was given."""

    @property
    def name(self) -> str:
        """As it is shown."""

    @property
    def origin(self) -> str:
        """Who defines it."""

    @property
    def unscalable(self) -> str | None:
        """Why its widths are what they are; None where they can be scaled."""

    def at(self, scale: float | None) -> Variant:
        """With its widths times `scale`; None: as it is."""


def find_source(text: str, task: Task, drop_path: float | None) -> Source:
    """By a name of a YAML file, an export or a preset; of timm (`timm:NAME:argument=value`), whose prefix may be left
    out where none of ours is called so; or of a function (`module:function:argument=value`). `drop_path`: the recipe's,
    where it has one. Raises InputError for what none of them knows, with the nearest names."""
    first, *rest = text.split(":")
    if is_file(Path(text)) or Path(text).is_dir() or first in presets("networks") or text.endswith((".yaml", ".yml")):
        return Ours(text, text, load_arch(text)[0], task, drop_path)
    if first == PREFIX and rest:
        return Timm(text, rest[0], _arguments(text, rest[1:]), task, drop_path)
    if all("=" in word for word in rest) and is_timm(first):
        return Timm(text, first, _arguments(text, rest), task, drop_path)
    if rest and "=" not in rest[0]:
        function, code = _function(text, first, rest[0])
        name = ":".join([Path(first).stem, *rest])
        return Function(text, name, function, code, _arguments(text, rest[1:]), task, drop_path)
    near = near_names(first, [*presets("networks"), *names_of_timm()])
    raise InputError(
        f"network must be a YAML file, an export, a preset, timm:NAME or module:function, got {text}; {near}"
    )


@dataclass(frozen=True)
class Ours:
    """A network of this package's vocabulary."""

    text: str
    name: str
    arch: Arch
    task: Task
    drop_path: float | None
    unscalable = None

    @property
    def origin(self) -> str:
        return f"nas {__version__}"

    def at(self, scale: float | None) -> Variant:
        """Every stage's width times `scale`, rounded to multiples of MULTIPLE."""
        arch = self.arch if scale is None else widened(self.arch, scale)
        widths = "-".join(str(stage.width) for stage in arch.stages)
        return Variant(partial(Network, arch, self.task, self.drop_path), f"widths {widths}", arch.to_dict())


def widened(arch: Arch, scale: float) -> Arch:
    """Raises InputError where a block cannot have such a width."""

    def widen(stage: Stage) -> Stage:
        return replace(stage, width=max(1, round(stage.width * scale / MULTIPLE)) * MULTIPLE)

    return replace(arch, stages=tuple(map(widen, arch.stages)))


@dataclass(frozen=True)
class Function:
    """A function of anyone's, called with those of `classes`, `image_size`, `channels`, `drop_path` and `scale` that it
    has arguments for."""

    text: str
    name: str
    function: Callable[..., Any]
    code: str  # a digest of its file
    arguments: Mapping[str, Any]
    task: Task
    drop_path: float | None

    @property
    def origin(self) -> str:
        """The name of its file."""
        module = self.function.__module__
        return Path(getattr(sys.modules.get(module), "__file__", None) or module).name

    @property
    def unscalable(self) -> str | None:
        return None if "scale" in self._takes({"scale": 1.0}) else f"{self.name} has no argument `scale`"

    def at(self, scale: float | None) -> Variant:
        told: dict[str, Any] = {
            "classes": self.task.classes,
            "image_size": self.task.image_size,
            "channels": self.task.channels,
        }
        told |= {} if self.drop_path is None else {"drop_path": self.drop_path}
        told |= {} if scale is None else {"scale": scale}
        arguments = {**self._takes(told), **self.arguments}
        given = dict(self.arguments) | ({} if scale is None else {"scale": scale})
        words = ", ".join(f"{key} {value}" for key, value in given.items())
        return Variant(partial(self.function, **arguments), words or "as it is", code=self.code)

    def _takes(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Those that it has arguments for."""
        known = signature(self.function).parameters
        every = any(each.kind is Parameter.VAR_KEYWORD for each in known.values())
        return {name: value for name, value in told.items() if every or name in known}


def _function(text: str, module: str, name: str) -> tuple[Callable[..., Any], str]:
    """And a digest of the file that was named, with that which defines it where it is from another one."""
    try:
        place = _module(module)
        found = getattr(place, name)
    except InputError:
        raise
    except AttributeError as error:
        raise InputError(f"network must be a function of {module}, got {name}, which it has not; correct it") from error
    except Exception as error:  # of whatever it runs
        raise InputError(
            f"network must be module:function of a module that Python can import, got {text} ({first_line(error)}); "
            "run nas where it is, or give its path: path/to/module.py:function"
        ) from error
    if not callable(found):
        raise InputError(f"network must be a function, got {text}, a {type(found).__name__}; name a function")
    defined = sys.modules.get(getattr(found, "__module__", None) or "", place)
    files = dict.fromkeys(getattr(each, "__file__", None) for each in (place, defined))
    return found, sha256(b"".join(Path(file).read_bytes() for file in files if file)).hexdigest()[:16]


def _module(name: str) -> ModuleType:
    """A module by name, of the current folder too, or by the path of its file."""
    if not name.endswith(".py"):
        if "" not in sys.path and str(Path.cwd()) not in sys.path:  # as `python -m` has it, and an entry point has not
            sys.path.insert(0, str(Path.cwd()))
        return import_module(name)
    path = Path(name)
    own = f"{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"  # two files may have one name
    spec = spec_from_file_location(own, path)
    if not is_file(path) or spec is None or spec.loader is None:
        raise InputError(f"network must be a function of a file that exists, got {name}; check the path")
    module = module_from_spec(spec)
    sys.modules[own] = module
    spec.loader.exec_module(module)
    return module


def _arguments(text: str, words: list[str]) -> dict[str, Any]:
    """`depth=6` and the like, values as in YAML."""
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            raise InputError(f"arguments of a network must be name=value, got {word} in {text}; write e.g. depth=6")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"{name} must be a value as YAML has it, got {value}; write e.g. [2,2,6,2]") from error
    return found
