"""Reading a journal for its trials alone: parameters and intermediate values are passed over unparsed.

They are two thirds of a search's journal, and only samplers ask for them; Optuna replays what is left.
Reads only; takes no lock. Needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from nas.storage.journal import Journal

PASSED = (b'{"op_code":5,', b'{"op_code":7,')  # parameters, intermediate values, as Optuna begins these lines


class Skimming:
    """The lines of a journal file that say what became of trials. Knows where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets = [0]  # after how many bytes each entry is looked for, the next one last

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Entries from that number on; a last line without its end is still being written.

        Raises ValueError for a line in the middle that is not JSON.
        """
        del self._offsets[log_number_from + 1 :]
        at = self._offsets[log_number_from]
        with self._path.open("rb") as file:
            file.seek(at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                at += len(line)
                if line.startswith(PASSED):
                    continue
                entry = json.loads(line)
                self._offsets.append(at)
                yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> NoReturn:
        raise AssertionError("what skims a journal never writes it")


def open_skimming(path: Path) -> Journal:
    """Optuna's storage on a journal file that exists; its trials have no parameters."""
    return Journal(Skimming(path))
