"""What typer says of values and of what is missing, in the house form: `<field> must <rule>, got <value>; <step>`."""

from __future__ import annotations

import re

import typer
from pydantic import ValidationError

from space.reading import nearest, shortened

_CHOICE = re.compile(r"'(?P<got>.*)' is not one of (?P<known>.*?)\.?", re.DOTALL)
_COMMAND = re.compile(r"No such command '(.*?)'", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)", re.DOTALL)
_LIMITS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}
_KINDS = {"int_parsing": "a whole number", "int_from_float": "a whole number", "float_parsing": "a number"}


def in_our_form(error: typer.TyperException) -> str:
    """One line."""
    said: str = getattr(error, "format_message", error.__str__)()
    if not isinstance(error, typer.BadParameter) or error.param is None:
        return _unknown(error, said) or said
    name = error.param.get_error_hint().strip("'").split("'")[0].removesuffix("...")  # of `'--study' / '-s'`
    if isinstance(error.__cause__, ValidationError):
        return _wrong_value(name, error.__cause__) or said
    if said.startswith("Missing "):
        command = error.ctx.command_path if error.ctx else "nas"
        return f"{name.removeprefix('--')} must be given, got nothing; see {command} --help"
    return said


def _unknown(error: typer.TyperException, said: str) -> str | None:
    """Of an option, a command or a word that there is none for; None for anything else."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "nas"
    option = getattr(error, "option_name", None)
    if option and not hasattr(error, "possibilities"):  # there is such an option
        return _misused(str(option), said)
    if option:
        near = sorted({*(getattr(error, "possibilities", None) or [])} - {"--help"})
        step = f"did you mean {' or '.join(near)}?" if near else f"see {command} --help"
        return f"option must be one that {command} has, got {option}; {step}"
    if match := _COMMAND.match(said):
        close = nearest(match[1], list(getattr(context.command, "commands", {})) if context else [])
        step = close if close.startswith("did you mean") else f"see {command} --help"
        return f"command must be one that {command} has, got {match[1]}; {step}"
    if match := _EXTRA.fullmatch(said):
        return f"arguments must be those that {command} takes, got also {match[1]}; see {command} --help"
    return None


def _misused(option: str, said: str) -> str:
    name = option.lstrip("-")
    if "does not take a value" in said:
        return f"{name} must have no value, got one; write {option} alone"
    return f"{name} must have a value, got none; write {option} and the value"


def _wrong_value(name: str, cause: ValidationError) -> str | None:
    """None for a rule that no option of ours has."""
    first = cause.errors(include_url=False)[0]
    kind, got, context = first["type"], shortened(first["input"]).strip("'"), first.get("ctx", {})
    field = name.removeprefix("--")
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return f"{field} must be {words} {context[key]}, got {got}; write e.g. {name} {context[key]}"
    if kind in _KINDS:
        return f"{field} must be {_KINDS[kind]}, got {got}; write e.g. {name} 8"
    if match := _CHOICE.fullmatch(str(context.get("error", ""))):
        known = re.findall("'(.*?)'", match["known"])
        close = nearest(match["got"], known)
        step = close if close.startswith("did you mean") else "choose one"
        return f"{field} must be one of {', '.join(known)}, got {match['got']}; {step}"
    return None
