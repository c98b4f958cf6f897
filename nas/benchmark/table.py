"""A recorded table: every training of random-sampler studies with its whole curve, in one parquet file.

A search or a stopping rule can then be replayed in seconds (`nas.benchmark.replay`). Needs no torch.
"""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from nas.records.settings import DESIGN, VERSION, Settings, difference
from nas.records.trial import Period, Trial
from nas.samplers.features import Floats, network_features
from nas.storage.reader import Reader
from space import Arch, Band, Cost, InputError, processor
from space.reading import check, is_file

FORMAT = 2  # of the file; in 1 a period was called an epoch
RECORDED = Path(__file__).parent / "recorded"  # tables of this package
DEFAULT = RECORDED / "recorded-30k.parquet"
PREFIXES = {1: "epoch", FORMAT: "period"}  # of a curve's columns
KEY = b"nas"  # of the metadata in the parquet schema's metadata
NEXT_STEP = "record it again with `nas record`"
_FREE = ("name", "created", "command", "seed", "device", "versions")  # settings in which studies of a table may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One training: a row of the table. Its accuracy is the last of the curve's."""

    key: str  # equal exactly when the networks are
    arch: Mapping[str, Any]
    flops: int  # conv + linear multiply-accumulates, batch 1
    params: int
    activations: int  # outputs of conv and linear, batch 1
    seed: int  # of the training
    log_density: float | None  # of the network in one random draw
    accuracy: float  # top-1 on the validation split, 0 to 1
    seconds: float  # of training and evaluation
    curve: tuple[Period, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """After each period."""
        return tuple(period.accuracy for period in self.curve)

    def features(self) -> dict[str, float]:
        return network_features(Arch.from_dict(dict(self.arch)), Cost(self.flops, self.params, self.activations))


PLAIN = [name for name in Recording.__slots__ if name not in ("arch", "curve")]  # columns that hold a field as it is


@dataclass(frozen=True)
class RecordedTable:
    """Trainings of networks of one space with one recipe on one data set. `settings`: theirs; `made`: by which
    studies, when, on which machine."""

    recordings: tuple[Recording, ...]
    settings: Settings
    made: Mapping[str, Any]

    @cached_property
    def networks(self) -> dict[str, tuple[Recording, ...]]:
        """The trainings of each network, by key."""
        found: dict[str, list[Recording]] = {}
        for recording in self.recordings:
            found.setdefault(recording.key, []).append(recording)
        return {key: tuple(rows) for key, rows in found.items()}

    @property
    def band(self) -> Band:
        return self.settings.band

    @property
    def periods(self) -> int:
        return self.settings.build_recipe().periods

    @property
    def images(self) -> int:
        """Training images of a period."""
        return self.settings.build_recipe().period

    @staticmethod
    def load(path: Path | None = None) -> RecordedTable:
        """From a file of `save`, or the table of this package that has that name; None: its default one. InputError for
        a missing, damaged or foreign one."""
        given, path = path, path or DEFAULT
        if not is_file(path):
            path = RECORDED / f"{path}.parquet"
        if not is_file(path):
            known = ", ".join(sorted(each.stem for each in RECORDED.glob("*.parquet")))
            wanted = f"a parquet file of `nas record`, or one of {known or '(this package has none)'}"
            raise InputError(f"table must be {wanted}, got {given}; check the path")
        import pyarrow
        import pyarrow.parquet as parquet

        try:
            content = parquet.read_table(path)
            metadata = json.loads((content.schema.metadata or {})[KEY])
            if metadata["format"] not in PREFIXES:
                raise InputError(f"{path}: format must be from 1 to {FORMAT}, got {metadata['format']}; {NEXT_STEP}")
            settings = check(Settings, metadata["settings"], f"{path}: settings")
            images, prefix = settings.build_recipe().period, PREFIXES[metadata["format"]]
            recordings = tuple(_recording(row, prefix, images) for row in content.to_pylist())
        except (pyarrow.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            what = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"
            raise InputError(f"table must be a whole file of `nas record`, got {path} ({what}); {NEXT_STEP}") from error
        table = RecordedTable(recordings, settings, metadata["made"])
        table.check(str(path))
        return table

    def check(self, where: str) -> None:
        """Raises InputError at the first training that cannot be."""
        if not self.recordings:
            raise InputError(f"{where}: table must hold a training, got none; {NEXT_STEP}")
        for row, one in enumerate(self.recordings):
            if problem := _problem(one, self.periods):
                raise InputError(f"{where}: row {row}: {problem}; {NEXT_STEP}")

    def to_arrow(self) -> Any:
        """One row per training; lists of a number per period for the curve."""
        import pyarrow as pa

        fields = {
            "key": pa.string(), "arch": pa.string(), "flops": pa.int64(), "params": pa.int64(),
            "activations": pa.int64(), "seed": pa.int64(), "log_density": pa.float64(), "accuracy": pa.float64(),
            "seconds": pa.float64(), "images": pa.int64(), "period_loss": pa.list_(pa.float64()),
            "period_accuracy": pa.list_(pa.float64()), "period_seconds": pa.list_(pa.float64()),
        }  # fmt: skip
        plain = asdict(self.settings)
        metadata = {"format": FORMAT, "settings": plain, "made": dict(self.made)}
        schema = pa.schema(list(fields.items()), metadata={KEY: json.dumps(metadata).encode()})
        return pa.Table.from_pylist([_row(one) for one in self.recordings], schema=schema)


def accuracy_matrix(recordings: Sequence[Recording]) -> Floats:
    """(trainings, periods) validation accuracies."""
    return np.array([one.accuracies for one in recordings])


def log_flops(recordings: Iterable[Recording]) -> Floats:
    """(trainings,) natural logarithms."""
    found: Floats = np.log([float(one.flops) for one in recordings])
    return found


def at_equal_flops(values: Floats, log_flops: Floats) -> Floats:
    """Of (N,) or (N, columns) what a quadratic in log FLOPs (N,) does not explain."""
    basis = np.vander(log_flops - log_flops.mean(), 3)
    found: Floats = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    return found


def gather(folders: Sequence[Path], created: datetime | None = None) -> RecordedTable:
    """The complete trainings of idle studies of random networks, or of a design, of one space, data set and recipe.

    The same training (network and seed) in several of them counts once. Raises InputError for the first study that
    does not fit.
    """
    readers = [Reader(folder) for folder in folders]
    for reader in readers:
        _check_study(reader, readers[0].settings)
    found: dict[tuple[str, int], Recording] = {}
    studies = []
    for reader in readers:
        before = len(found)
        for trial in reader.trials():
            if trial.state == "complete":
                one = _from_trial(trial, reader.curve(trial.number))
                found.setdefault((one.key, one.seed), one)
        studies.append({"name": reader.settings.name, "seed": reader.settings.seed, "trainings": len(found) - before})
    made = {
        "studies": studies,
        "recorded": (created or datetime.now(UTC)).isoformat(timespec="seconds"),
        "machine": machine(),
    }
    table = RecordedTable(tuple(found.values()), _anonymous(readers[0].settings), made)
    table.check(", ".join(str(folder) for folder in folders))
    return table


def machine() -> str:
    """`AMD EPYC ..., 2 cores`: where the table was recorded."""
    return f"{processor.model() or platform.processor() or platform.machine()}, {processor.cores()} cores"


def _check_study(reader: Reader, first: Settings) -> None:
    own = reader.settings
    if own.version != VERSION:
        raise InputError(f"study {own.name} must have version {VERSION} to be recorded, got {own.version}; search anew")
    if own.sampler not in ("random", DESIGN):
        raise InputError(
            f"sampler must be random in a recorded study, got {own.sampler} in {own.name}; "
            "a sampler that learns biases the table"
        )
    if own.stop != "none":
        raise InputError(
            f"stop must be none in a recorded study, got {own.stop} in {own.name}; a table needs every curve to its end"
        )
    if own.metric != "accuracy":
        raise InputError(
            f"metric must be accuracy in a recorded study, got {own.metric} in {own.name}; a table is of accuracies"
        )
    if reader.is_running():
        raise InputError(f"study must rest to be recorded, got {own.name}, which runs; wait for its end, or stop it")
    theirs, ours = (asdict(each) | {"recipe": each.build_recipe().to_dict()} for each in (first, own))
    for field, wanted in theirs.items():
        if field not in _FREE and (found := difference(field, wanted, ours[field])):
            place, there, here = found
            raise InputError(f"{place} must be {there} as in {first.name}, got {here} in {own.name}; record them apart")


def _anonymous(settings: Settings) -> Settings:
    """Without the paths of the machine that ran the studies."""
    data = replace(settings.data, source=settings.data.name)
    command = f"nas search {settings.space_name} --data {data.name} --flops {settings.band} --sampler random"
    if settings.sampler == DESIGN:
        words = shlex.split(settings.command)
        command = shlex.join(data.name if before == "--data" else word for before, word in pairwise(["", *words]))
    return replace(settings, data=data, command=command)


def _from_trial(trial: Trial, curve: list[Period]) -> Recording:
    found = {name: getattr(trial, name) for name in (*PLAIN, "arch")} | {"seconds": trial.seconds or 0.0}
    missing = [name for name, value in found.items() if value is None and name != "log_density"]
    assert not missing, f"trial {trial.number} is complete"
    return Recording(**found, curve=tuple(replace(period, balanced=None) for period in curve))  # of accuracies alone


def _row(one: Recording) -> dict[str, Any]:
    return {name: getattr(one, name) for name in PLAIN} | {
        "arch": json.dumps(one.arch),
        "images": one.curve[-1].images,
        "period_loss": [period.loss for period in one.curve],
        "period_accuracy": [period.accuracy for period in one.curve],
        "period_seconds": [period.seconds for period in one.curve],
    }


def _recording(row: Mapping[str, Any], prefix: str, images: int) -> Recording:
    """`images`: of a period."""
    columns = (row[f"{prefix}_{name}"] for name in ("loss", "accuracy", "seconds"))
    curve = tuple(Period(i, i * images, *values) for i, values in enumerate(zip(*columns, strict=True), 1))
    return Recording(arch=json.loads(row["arch"]), curve=curve, **{name: row[name] for name in PLAIN})


def _problem(one: Recording, periods: int) -> str | None:
    """What is wrong with a training: `flops must be positive, got 0`; None: nothing."""
    if len(one.curve) != periods:
        return f"curve must have the recipe's {periods} periods, got {len(one.curve)}"
    if not (isinstance(one.flops, int) and one.flops > 0):
        return f"flops must be positive, got {one.flops}"
    for value in one.accuracies:
        if not 0 <= value <= 1:
            return f"accuracy must be from 0 to 1, got {value}"
    if abs(one.accuracies[-1] - one.accuracy) > 1e-5:  # a curve's file has six digits
        return f"accuracy must be the curve's last, {one.accuracies[-1]}, got {one.accuracy}"
    if not one.seconds >= 0:
        return f"seconds must not be negative, got {one.seconds}"
    try:
        Arch.from_dict(dict(one.arch))
    except InputError as error:
        return str(error).partition("; ")[0]
    return None
