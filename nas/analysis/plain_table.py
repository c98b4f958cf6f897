"""How every table of the terminal looks: a rule below the heads, a title above, and below what is said of it."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Column, Table


def plain_table(*columns: Column | str, title: str | None = None, note: str = "") -> Table:
    """`note`: what is said of it, in rich's markup."""
    return Table(
        *columns, title=title, caption=note or None, title_justify="left", caption_justify="left",
        box=box.SIMPLE_HEAD, padding=0, pad_edge=False,
    )  # fmt: skip


def number(name: str) -> Column:
    """A column of numbers, in a line each."""
    return Column(name, justify="right", no_wrap=True)


def numbers(*names: str, **options: Any) -> list[Column]:
    """Columns of numbers."""
    return [Column(name, justify="right", **options) for name in names]
