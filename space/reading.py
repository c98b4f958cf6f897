"""The edge: YAML files and plain values in, checked dataclasses out, one-line errors for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import yaml

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

PRESETS = Path(__file__).parent / "presets"
LIKEST = 0.8  # of difflib's ratio
MAX_BYTES = 1_000_000  # a space or a network is a page of text; more is a mistake, or a YAML bomb


class InputError(ValueError):
    """What a person can cause and mend: `<field> must <rule>, got <value>; <next step>`, one line."""


def nearest(word: str, known: list[str]) -> str:
    """`did you mean X?` or the list of what is known, for the end of an error. A name that begins the word, or is
    begun by it (`act` of `activation`), is nearer than all but the likest."""
    from difflib import get_close_matches  # only where something is misspelt

    word = str(word)
    begun = [
        name for name in known if min(len(word), len(name)) > 1 and (word.startswith(name) or name.startswith(word))
    ]
    near = ((known, LIKEST), (begun, 0), (known, 0.5))
    close = next(filter(None, (get_close_matches(word, among, n=1, cutoff=least) for among, least in near)), None)
    return f"did you mean {close[0]}?" if close else f"use one of {', '.join(sorted(known))}"


def check_keys(plain: Iterable[Any], known: Sequence[str], needed: Sequence[str] = (), prefix: str = "") -> None:
    """Raises InputError for a key that is not `known`, then for one that is `needed` and not there."""
    for key in plain:
        if key not in known:
            raise InputError(f"{prefix}{key} must be a known key; {nearest(str(key), list(known))}")
    for key in needed:
        if key not in plain:
            raise InputError(f"{prefix}{key} must be given, got nothing; add it")


def presets(kind: str) -> list[str]:
    """Names of the presets of a kind: `spaces` or `networks`."""
    return sorted(path.stem for path in (PRESETS / kind).glob("*.yaml"))


def find(source: str | Path, kind: str) -> Path:
    """The file behind a person's SPACE or ARCH: a YAML file, or the name of a preset of `kind`."""
    if not isinstance(source, (str, Path)):
        raise InputError(
            f"{kind[:-1]} must be a YAML file or a preset, got {shortened(source)}; name one, see nas presets"
        )
    path = Path(source)
    if is_file(path):
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) != 1:
        raise InputError(f"{kind[:-1]} must be an existing YAML file, got {source}; check the path")
    preset = PRESETS / kind / f"{source}.yaml"
    if not is_file(preset):
        raise InputError(
            f"{kind[:-1]} must be a YAML file or a preset, got {source}; {nearest(str(source), presets(kind))}"
        )
    return preset


def is_file(path: Path) -> bool:
    """Whether there is a file; False too for a name that is too long for one."""
    try:
        return path.is_file()
    except OSError:
        return False


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses duplicate keys and aliases (the stuff of YAML bombs)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not used here", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, (str, int, float, bool)):
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is not a plain word", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except ValueError as error:  # a date such as 2025-02-30, a number of 5000 digits
        raise yaml.YAMLError(str(error)) from error


def load_yaml(path: Path, most: int = MAX_BYTES) -> dict[str, Any]:
    """The mapping in a YAML file. Raises InputError that names the file and, where known, the line."""
    try:
        raw = path.read_bytes()
        if len(raw) > most:
            raise InputError(f"{path} must be under {most} bytes, got {len(raw)}; is it the right file?")
        content = _parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, got byte {raw[error.start]:#x}; save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        problem = problem or " ".join(str(error).split())
        line = f" in line {mark.line + 1}" if mark else ""
        raise InputError(f"{path} must be valid YAML, got {problem}{line}; mend the file") from error
    except RecursionError as error:
        raise InputError(f"{path} must be flat YAML, got endless nesting; mend the file") from error
    except OSError as error:
        raise InputError(f"{path} must be readable, got {error.strerror}; check the path") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must be a YAML mapping, got {type(content).__name__}; write `key: value` lines")
    return content


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Pydantic's checker of a dataclass, made once."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def check(kind: type[T], value: Any, where: str = "") -> T:
    """`value` (plain dicts, lists, numbers) as the dataclass `kind`; InputError names the first wrong field."""
    from pydantic import ValidationError  # slow to import, and no network needs it

    try:
        checked: T = _adapter(cast(Any, kind)).validate_python(value)
        return checked
    except ValidationError as error:
        errors = error.errors(include_url=False)
        unknown = [e for e in errors if e["type"] in _UNKNOWN_KEY]  # a misspelt key explains a missing one
        first = (unknown or errors)[0]
        prefix = f"{where}: " if where else ""
        raise InputError(prefix + _sentence(first, kind)) from None


_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")


def _sentence(error: ErrorDetails, kind: type) -> str:
    """One pydantic error in the house format."""
    field = _field(error["loc"]) or kind.__name__.lower()
    got, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "value_error":
            message = str(context["error"])  # our own rule, already in the house format
            return f"{field}.{message}" if error["loc"] else message
        case unknown if unknown in _UNKNOWN_KEY:
            return f"{field} must be a known key; {nearest(str(error['loc'][-1]), _keys(kind, error['loc'][:-1]))}"
        case "missing" | "missing_argument":
            return f"{field} must be given, got nothing; add it"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            return f"{field} must be one of {', '.join(choices)}, got {got}; {nearest(str(got), choices)}"
        case _:
            rule = _RULES.get(error["type"], error["msg"].removeprefix("Input should be "))
            mend = as_yaml_number(got) if error["type"] == "float_type" else "correct it"
            return f"{field} must be {rule}, got {shortened(got)}; {mend}"


_RULES = {
    "dataclass_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
}


def as_yaml_number(value: Any) -> str:
    """`write 1.0e-06` for 1e-6, which YAML 1.1 takes for text; else `correct it`."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?e[-+]?\d{1,2}", value.lower()):
        return f"write {yaml.safe_dump(float(value)).split()[0]}"
    return "correct it"


def _field(location: tuple[int | str, ...]) -> str:
    """`("stages", 2, "kernel")` -> `stages[2].kernel`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def shortened(value: Any) -> str:
    """As an error shows it."""
    text = " ".join((repr(value) if isinstance(value, str) else str(value)).split())  # "3" is not 3
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(kind: Any, location: tuple[int | str, ...]) -> list[str]:
    """Known keys of the dataclass `kind`, or of those inside it where `location` is in one."""
    schema = _adapter(kind).json_schema()
    nodes = schema.get("$defs", {}).values() if location else [schema]
    return [key for node in nodes for key in node.get("properties", {})]
