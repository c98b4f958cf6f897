"""Parts: what networks are made of, by kind and name. A part is one class; this is where classes become known.

    @part("block", "mine")
    @dataclass(frozen=True, kw_only=True)
    class Mine(Block):
        kernel: int = option(7, KERNEL)

A package outside this project adds its own by an entry point of the group `nas.parts` that names a module with such
classes; it is imported when a name is asked for that is not built in. No torch here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Literal, TypeVar, get_args

from space.reading import InputError, nearest
from space.rules import COUNTS, Rule, Word

Kind = Literal["block", "stem", "head", "norm", "act"]
T = TypeVar("T")

ENTRY_POINTS = "nas.parts"
# Keys that stand beside the options of a part in YAML.
RESERVED = {"block": {"block", "depth", "width", "downsample"}, "stem": {"kind"}, "head": {"kind"}}
_known: dict[str, dict[str, type[Any]]] = {kind: {} for kind in get_args(Kind)}


def part(kind: Kind, name: str) -> Callable[[type[T]], type[T]]:
    """Makes a class known under `name`; raises ValueError where another has it."""

    def register(cls: type[T]) -> type[T]:
        if clash := RESERVED.get(kind, set()) & set(getattr(cls, "__dataclass_fields__", ())):
            raise ValueError(f"{kind} {name} must leave {min(clash)} to the network, got it as an option; rename it")
        other = _known[kind].get(name)
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"{kind} {name} must be a new name, got one that {other.__module__} has; choose another")
        _known[kind][name] = cls
        cls.name = name  # type: ignore[attr-defined]
        return cls

    return register


def find_part(kind: Kind, name: str, where: str = "") -> type[Any]:
    """The class of a name. Raises InputError, of the field `where`, with the nearest known name."""
    _load_built_in(kind)
    found = _known[kind].get(name)
    if found is None or not found.__module__.startswith("space."):  # another package's, which may clash with a third
        _load_entry_points()
    if name not in _known[kind]:
        known = list(_known[kind])
        raise InputError(f"{where or kind} must be one of {', '.join(known)}, got {name}; {nearest(str(name), known)}")
    return _known[kind][name]


def names(kind: Kind) -> tuple[str, ...]:
    """All names of a kind, those of other packages too."""
    _load_built_in(kind)
    _load_entry_points()
    return tuple(_known[kind])


@cache
def _load_built_in(kind: Kind) -> None:
    import_module(f"space.{kind}s")


def _load_entry_points() -> None:
    """Imports what other packages add. Raises InputError that names the one that fails, every time."""
    problem = _entry_points_problem()
    if problem:
        raise InputError(problem)


@cache
def _entry_points_problem() -> str | None:
    from importlib.metadata import entry_points  # slow, so only where it is needed

    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:  # whatever another's module raises
            first, _, _ = f"{type(error).__name__}: {error}".partition("\n")
            return (
                f"entry point {point.name} must import, got {first.partition(';')[0]}; "
                f"repair or remove the package {point.dist.name if point.dist else point.value}"
            )
    return None


@dataclasses.dataclass(frozen=True)
class Named(Rule):
    """The name of a part of a kind. Other packages are imported only for a name that is not built in: checking a
    default must not import what imports the checker."""

    kind: Kind

    def check(self, value: Any) -> str:
        return value if value in names_built_in(self.kind) else Word(names(self.kind)).check(value)

    @property
    def examples(self) -> tuple[str, ...]:
        return names(self.kind)

    def __str__(self) -> str:
        return str(Word(names(self.kind)))


def option(default: Any, rule: Rule, doc: str, moves: tuple[str, ...] = COUNTS) -> Any:
    """A field of a part: its default, its rule, a word for the docs, and which counts of a network it moves."""
    return dataclasses.field(default=default, metadata={"rule": rule, "doc": doc, "moves": moves})


def defaults(**values: Any) -> Callable[[type[T]], type[T]]:
    """Other defaults for options that a class inherits; stands under `@dataclass`."""

    def change(cls: type[T]) -> type[T]:
        inherited = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for name, value in values.items():
            cls.__annotations__[name] = inherited[name].type
            setattr(cls, name, dataclasses.field(default=value, metadata=inherited[name].metadata))
        return cls

    return change


def options(cls: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """The options of a part by name."""
    return {field.name: field for field in dataclasses.fields(cls)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A stem, block or head: frozen options, the layers it consists of, and what it does with them.

    Subclasses are frozen dataclasses whose fields are made with `option`; they are checked when one is made.
    Raises InputError `<field> must <rule>, got <value>; <next step>`.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for name, field in options(type(self)).items():
            object.__setattr__(self, name, field.metadata["rule"].check_field(name, getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return {name: getattr(self, name) for name in options(type(self))}


def read_part(kind: Kind, raw: Any, where: str = "") -> Any:
    """A stem or head from YAML: its name, or a mapping with `kind` and its options."""
    plain = {"kind": raw} if isinstance(raw, str) else raw
    if not isinstance(plain, dict):
        raise InputError(f"{where} must be a name or a mapping with kind, got {raw}; write e.g. kind: {names(kind)[0]}")
    name = plain.get("kind", next(iter(names_built_in(kind))))
    if not isinstance(name, str):
        raise InputError(f"{where}.kind must be one of {', '.join(names(kind))}, got {name}; correct it")
    cls = find_part(kind, name, f"{where}.kind")
    return make_part(cls, {key: value for key, value in plain.items() if key != "kind"}, where)


def names_built_in(kind: Kind) -> tuple[str, ...]:
    """Names that are known without looking at other packages; the first is the default."""
    _load_built_in(kind)
    return tuple(_known[kind])


def make_part(cls: type[T], values: dict[str, Any], where: str, also: tuple[str, ...] = ()) -> T:
    """A part from plain values; errors begin with `where`. `also`: other keys that may stand beside its options."""
    known = list(options(cls))
    for key in values:
        if key not in known:
            raise InputError(
                f"{where}.{key} must be a known key of {cls.name}; {nearest(str(key), [*known, *also])}"  # type: ignore[attr-defined]
            )
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{where}.{error}") from None
