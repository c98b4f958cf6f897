"""Finds pictures by whatever part of their path a label file gives."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from nas.data.folders import split_of
from nas.data.images import suffixes
from space.reading import InputError


class PictureIndex:
    """Of pictures by paths relative to a root."""

    def __init__(self, pictures: Sequence[Path]) -> None:
        self.named: dict[str, list[Path]] = {}  # by name, and by name without suffix
        for path in pictures:
            for name in {path.name, path.stem}:
                self.named.setdefault(unicodedata.normalize("NFC", name), []).append(path)

    def __contains__(self, name: object) -> bool:
        """Whether one or several pictures are called so."""
        return bool(self._called(_parts(name)))

    def find(self, name: object, beside: Path, split: str | None) -> Path | None:
        """The picture that a file in the folder `beside` calls `name`; of several, the one beside the file, else the
        one in a folder of the file's split. Raises InputError where that is not one.

        A folder that is given has to fit: the end of the picture's path is the whole name, or the other way round.
        """
        several = self._called(_parts(name))
        place = (*_parts(beside), *_parts(name)[:-1])
        several = _preferred(several, [path for path in several if _parts(path.parent) == place])
        if split is not None:
            several = _preferred(several, [path for path in several if split in map(split_of, path.parts[:-1])])
        if len(several) > 1:
            raise InputError(
                f"file names must be of one picture, got {name} for {several[0]} and {several[1]}; add the folders"
            )
        return several[0] if several else None

    def _called(self, parts: tuple[str, ...]) -> list[Path]:
        if not parts:
            return []
        folders, last = parts[:-1], parts[-1]
        bare = Path(last).suffix.lower() not in suffixes()
        found = []
        for path in self.named.get(last, ()):
            if bare or unicodedata.normalize("NFC", path.name) == last:
                both = min(len(folders), len(path.parts) - 1)
                if folders[len(folders) - both :] == _parts(path)[len(path.parts) - 1 - both : -1]:
                    found.append(path)
        return found


def _preferred(several: list[Path], nearer: list[Path]) -> list[Path]:
    return nearer if len(several) > 1 and nearer else several


def _parts(name: object) -> tuple[str, ...]:
    """Of a path or URL, without its query."""
    plain = unicodedata.normalize("NFC", str(name)).strip().replace("\\", "/").partition("?")[0]
    return tuple(part for part in plain.split("/") if part not in ("", "."))
