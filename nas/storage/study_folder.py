"""A study's folder: what it is begun with, what a later search must share with it, and how far it shall go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.study import StudyDirection

from nas import __version__
from nas.records.extent import Extent
from nas.records.settings import FILE, JOURNAL, STUDY, Difference, ServerUnavailable, Settings, differences
from nas.storage.journal import Journal, open_for_writing
from nas.storage.postgres import connect
from nas.storage.reader import Reader
from space import InputError
from space.budget import MEASURES, said

DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)  # the metric on the validation split, the cost
LONGEST = 80  # letters of a setting that an error shows
MOST = 5  # differences that it shows
ERROR = "error"  # what ended its last search, in one line, or None
GOAL = "goal"  # the study's attribute: the fields of an Extent, and the code
SHARED = (
    "flops_low",
    "flops_high",
    "params",
    "activations",
    "latency",
    "latency_model",
    "sampler",
    "stop",
    "metric",
    "minimize",
    "seed",
    "space",
    "data",
    "recipe",
)  # a recipe settles by the data
PACKAGES = ("torch", "optuna", "numpy", "datasets", "scikit-learn")


def package_versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    return {"nas": __version__, **{name: version(name) for name in PACKAGES}}


def open_folder(folder: Path, settings: Settings) -> list[str]:
    """Makes the study's folder, or checks that the one there was started with the same settings.

    Returns notes (other versions or device). Raises InputError with the differences otherwise.
    """
    if not (folder / FILE).exists():
        if (folder / JOURNAL).exists():
            raise InputError(f"study must have its {FILE}, got a folder {folder} without it; restore it or use --study")
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # two begin it at once: the other one has
            settings.write(folder, first=True)
            return []
    began = Settings.read(folder)
    old, new = (asdict(each) | {"recipe": each.build_recipe().to_dict()} for each in (began, settings))
    pairs = [("flops", str(began.band), str(settings.band)), *((key, old[key], new[key]) for key in SHARED)]
    if settings.artifacts:
        pairs.append(("artifacts", began.artifacts or "the study's folder", settings.artifacts))
    if settings.server:
        place = began.server.url if began.server else "the journal in its folder"
        pairs.append(("storage", place, settings.server.url))
    _check_same(pairs, folder)
    was = {"device": old["device"], **old["versions"]}
    now = {"device": new["device"], **new["versions"]}
    return [
        f"{key} was {was[key]} when the study began, is now {now.get(key)}" for key in was if was[key] != now.get(key)
    ]


def open_study(folder: Path, on_note: Callable[[str], None]) -> tuple[optuna.Study, Journal]:
    """Optuna's study, and its storage, to be written to: the folder's journal, or one on the server that it names."""
    server = Settings.read(folder).server
    storage = connect(server, on_note) if server else open_for_writing(folder / JOURNAL, on_note)
    return optuna.create_study(study_name=STUDY, storage=storage, directions=DIRECTIONS, load_if_exists=True), storage


def set_extent(study: optuna.Study, reader: Reader, extent: Extent) -> None:
    """Puts on record how far a study shall go, and with what settings and code: what workers that join it take up.
    Raises InputError where others train it at this moment with another code."""
    before = study.user_attrs.get(GOAL, {})
    if before and reader.is_running():
        _check_code(before.get("code"), reader.folder)
    study.set_user_attr(GOAL, {**extent._asdict(), "code": code()})
    study.set_user_attr("settings", _comparable(reader.settings))
    goes_on(study)


def goes_on(study: optuna.Study) -> None:
    """What ended the last search is history."""
    if study.user_attrs.get(ERROR):
        study.set_user_attr(ERROR, None)


def put_error(folder: Path, line: str, error: Exception) -> None:
    """Puts on record what ended a study's search, where the study can be written to."""
    if isinstance(error, ServerUnavailable):  # so is the record
        return
    try:
        study, _ = open_study(folder, lambda note: None)
        study.set_user_attr(ERROR, line)
    except (OSError, ValueError, OptunaError) as problem:
        print(f"note: the error is not on record in {folder}: {problem}", file=sys.stderr)


def extent_to_join(reader: Reader) -> Extent:
    """That of the last `set_extent`. Raises InputError where there was none, and where this
    machine's code or copy of the settings is another than that of whoever began."""
    attributes, found = reader.study_attributes(), reader.extent()
    if found is None:
        raise InputError(f"study must have been begun to be joined, got {reader.folder}; begin it with `nas search`")
    _check_code(attributes[GOAL].get("code"), reader.folder)
    began, here = attributes.get("settings", {}), _comparable(reader.settings)
    _check_same([(key, began[key], here[key]) for key in began], reader.folder)
    return found


@cache
def code() -> str:
    """A digest of this release's source: workers of a study at the same time must have the same."""
    digest, root = sha256(), Path(__file__).parents[2]
    for package in ("nas", "space"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".c", ".yaml"):
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _check_code(other: str | None, folder: Path) -> None:
    if other not in (None, code()):
        raise InputError(
            f"code must be the same as that of {folder.name}'s other workers, {other}, got {code()}; "
            "install the same release of nas on both machines"
        )


def _comparable(settings: Settings) -> dict[str, Any]:
    """What the settings of all workers share, as it comes back from JSON."""
    plain = asdict(settings) | {"recipe": settings.build_recipe().to_dict()}
    kept: dict[str, Any] = json.loads(json.dumps({key: plain[key] for key in SHARED}))
    return kept


def _check_same(pairs: Iterable[Difference], folder: Path) -> None:
    """Raises InputError with the differences in pairs of settings."""
    found = [each for pair in pairs for each in differences(*pair)]
    said = {place for place, _, _ in found}
    parts = tuple(f"{name}_" for name in ("flops", "latency") if name in said)  # flops_low, latency_model
    found = [each for each in found if not each[0].startswith(parts)]
    if not found:
        return
    (place, was, now), *others = found
    also = "".join(f"; {name} {_short(name, old)}, got {_short(name, new)}" for name, old, new in others[: MOST - 1])
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    mend = f"take --images or --epochs from its command in {FILE}, or " if "recipe.images" in said else ""
    raise InputError(
        f"{place} must be {_short(place, was)} to resume {folder.name}, got {_short(place, now)}{also}{more}; "
        f"{mend}start another study with --study NAME"
    )


def _short(place: str, value: Any) -> str:
    """`..0.5 ms` of a band."""
    if value is None:
        return "none"
    if place in MEASURES and not isinstance(value, str):
        low, high = (said(MEASURES.index(place), end) for end in value)
        return f"{low if value[0] > 1 else ''}..{high}"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
