"""Columns of a table that a person chooses by name: `--columns trial,accuracy,key`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import typer

from space import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Column

    Columns = Mapping[str, tuple[Column, Callable[[Any], RenderableType]]]  # by name: its head, and its cell of a row


def parse_columns(text: str | None, as_json: bool) -> list[str] | None:
    """`trial,accuracy`: names, each once; None where none were given."""
    if text is None:
        return None
    if as_json:
        raise InputError(f"columns must stand without --json, which has all of them, got {text}; leave one out")
    return list(dict.fromkeys(word.strip() for word in text.split(",")))


def choose(every: Mapping[str, object], default: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """The columns by these names, else the default ones; `help` prints all there are, and ends the command. Raises
    InputError for a name that none has, with all there are."""
    if names == ["help"]:
        print(", ".join(every))
        raise typer.Exit
    for name in names or ():
        if name not in every:
            close = get_close_matches(name, list(every), n=1, cutoff=0.5)
            step = f"did you mean {close[0]}?" if close else "choose of these"
            raise InputError(f"columns must be of {', '.join(every)}, got {name or 'nothing'}; {step}")
    return list(names or default)


def notes(said: Iterable[tuple[str, str]], names: Sequence[str]) -> list[str]:
    """What is to be said of the columns that are shown. `said`: a column, and words on it; no column, on the whole."""
    return [words for name, words in said if words and (not name or name in names)]


def heads(every: Columns, names: Iterable[str]) -> list[Column]:
    return [every[name][0] for name in names]


def cells(every: Columns, names: Iterable[str], row: Any) -> Iterator[RenderableType]:
    return (every[name][1](row) for name in names)
