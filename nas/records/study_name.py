"""The names of studies, which are folders."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from hashlib import sha256

from space import InputError

_LONGEST, _KEPT = 64, 47  # letters of a name; of one that is too long, so that `-random` fits behind it
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{_LONGEST - 1}}}")
_SPELT = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l"})


def check_name(name: str) -> str:
    """A study's name, if it is fit for a folder's name."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"study must be 1 to 64 letters, digits, dots, dashes or underscores, got {name[:80]!r}; "
            "choose e.g. --study first-try"
        )
    return name


def name_of(words: Iterable[str], room: int = 0) -> str:
    """A study's name of what it is made from, such as a data folder, whatever letters that has; `room` for so many
    letters behind it.

    Accents are dropped (`Größe`: `Grosse`), what else a name cannot have becomes a dash (`my data: (1)`: `my-data-1`).
    A word of which nothing is left, and the end of a name of over 64 letters, becomes eight digits of a checksum.
    """
    name = "-".join(map(_plain, words)).lstrip("-_.")
    if len(name) > _LONGEST - room:
        name = f"{name[:_KEPT]}-{_digits(name)}"
    return check_name(name or _digits(name))


def _plain(word: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.-]+", word):
        return word
    apart = unicodedata.normalize("NFKD", word.translate(_SPELT))
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", bare).strip("-_.") or _digits(word)


def _digits(word: str) -> str:
    return sha256(word.encode(errors="surrogateescape")).hexdigest()[:8]
