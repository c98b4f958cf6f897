"""A study as large as one likes: the trials of a recorded one again and again, as whole journals, with other numbers.

Every copy has its own trial number, key, accuracy (normal, half a point) and FLOPs (within 10%); all that a search
writes for a trial is written for it too, so that the journal is as long as a real one.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nas.records.settings import ARTIFACTS, FILE, JOURNAL

CREATE, TELL, ATTRIBUTE = 4, 6, 8  # Optuna's op codes in a journal
GAP = timedelta(seconds=40)  # between the starts of two trials


def grown(source: Path, folder: Path, trials: int, seed: int = 0) -> None:
    """Writes the study's folder, which must not exist."""
    folder.mkdir(parents=True)
    shutil.copy(source / FILE, folder / FILE)
    shutil.copytree(source / ARTIFACTS, folder / ARTIFACTS)
    head, rows = _rows(source / JOURNAL)
    rng = random.Random(seed)
    with (folder / JOURNAL).open("w") as file:
        file.writelines(head)
        for number in range(trials):
            for row in _again(rows[number % len(rows)], number, number - number % len(rows), rng):
                file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _rows(journal: Path) -> tuple[list[str], list[list[str]]]:
    """(lines of the study itself, lines by trial)"""
    head, by_trial, created = [], defaultdict(list), 0
    for line in journal.read_text().splitlines(keepends=True):
        row = json.loads(line)
        if row["op_code"] == CREATE:
            by_trial[created].append(line)
            created += 1
        elif "trial_id" in row:
            by_trial[row["trial_id"]].append(line)
        else:
            head.append(line)
    return head, [by_trial[number] for number in range(created)]


def _again(lines: list[str], number: int, shift: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """A trial's entries for a copy; trials that it names move with it."""
    wider, better = 1 + rng.uniform(-0.1, 0.1), rng.gauss(0, 0.005)
    for row in map(json.loads, lines):
        if "trial_id" in row:
            row["trial_id"] = number
        for name in ("datetime_start", "datetime_complete"):
            if row.get(name):
                row[name] = (datetime.fromisoformat(row[name]) + shift * GAP).isoformat()
        attrs = row.get("user_attr", {})
        if "key" in attrs:
            attrs["key"] = f"{attrs['key'][:6]}{shift:06d}"
        if "flops" in attrs:
            attrs["flops"] = round(attrs["flops"] * wider)
        for name in ("repeat_of", "retry_of"):
            if attrs.get(name) is not None:
                attrs[name] += shift
        if row["op_code"] == TELL and row.get("values"):
            row["values"] = [round(min(1.0, row["values"][0] + better), 4), row["values"][1] * wider]
        yield row
