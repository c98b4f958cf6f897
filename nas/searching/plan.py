"""SearchPlan: what a search is to do, and the name of its study."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from nas.latency.device_names import ONNX, Runtime
from nas.records.data_card import AS_FOUND, Reading
from nas.records.extent import GOAL_SEEDS, Extent
from nas.records.scores import METRICS, Metric, parse_share
from nas.records.settings import BASELINE, Minimize, Sampler, Stop
from nas.records.study_name import name_of
from space import Budget, InputError
from space.budget import MEASURES, ends_in_name, parse_count
from space.draw import Drawable

_UNITS = {"h": 3600, "min": 60, "m": 60, "s": 1}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:h|min|m|s)\s*)+")
LogLevel = Literal["debug", "info", "warning", "error"]
DEFAULT_SAMPLER: Sampler = "ehvi"
OPTIONS = {
    "recipe_file": "recipe",
    "name": "study",
}  # of the command line, where they are not called as the plan's field


@dataclass(frozen=True, slots=True)
class Rival:
    """Another space, whose random search goes on in a study beside, trained alike."""

    space: Drawable
    name: str  # of its study
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """What a search is to do: all that the command says beside the space, the data and the budget."""

    trials: int | None = None  # networks in all, earlier runs of the study included
    time: str | None = None  # `2h`: as many networks as are estimated to fit, earlier runs included; or `trials`
    accuracy: str | None = None  # `92%`: to be reached at the least cost, which ends the search before
    repeats: int | None = None  # further seeds of them; None: none, but for an accuracy what it takes
    baseline: bool = False  # then as many images of random search, in a study beside
    rival: Rival | None = None  # then as many networks of another space
    workers: int | None = None  # processes that train at once; None: one, or one per GPU
    recipe_file: Path | None = None
    images: int | None = None  # that a network is trained on
    epochs: int | None = None  # passes over the training images; or `images`
    name: str | None = None
    runs: Path = Path("runs")
    seed: int = 0
    sampler: Sampler = DEFAULT_SAMPLER
    metric: Metric = "accuracy"  # which score is maximised
    minimize: Minimize = "flops"  # which cost the front sets it against
    stop: Stop | None = None  # None: quantile, but none for random search, which is what others are compared with
    device: str = "auto"
    log_level: LogLevel = "info"  # of search.log
    image_size: int | None = None
    batch: int | None = None  # of a latency that is forecast; None: 1, or what its model is of
    runtime: Runtime | None = None  # likewise; None: torch, or what its model is of
    latency_device: str | None = None  # words of a measured device's name; None: the one that is trained on
    device_model: Path | None = None  # a file of `nas measure SPACE`; None: the one in `devices`, made if missing
    storage: str | None = None  # a server's URL; None: a journal in the study's folder
    artifacts: str | None = None  # an S3 store's URL; None: the study's folder
    on: str | None = None  # a Ray cluster; None: this machine
    cpus_per_worker: float = 1.0  # on Ray
    gpus_per_worker: float | None = None  # None: one, on the CPU none
    reading: Reading = AS_FOUND
    dry_run: bool = False  # say what would be done, and how long it would take; begin no study
    command: str = ""

    def __post_init__(self) -> None:
        """Raises InputError for what no search can be."""
        if (self.trials is None) == (self.time is None):
            got = "neither" if self.trials is None else "both"
            raise InputError(
                f"trials must be given, or time in their place, got {got}; write e.g. --trials 30 or --time 2h (in "
                'Python trials=30 or time="2h")'
            )
        if self.time is not None:
            parse_time(str(self.time))
        if self.accuracy is not None:
            parse_share(str(self.accuracy))
        least_of = {"trials": 1, "repeats": 0, "seed": 0, "workers": 1, "batch": 1, "image_size": 1, "epochs": 1}
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"{name} must be a whole number from {least} on, got {value!r}; use e.g. {least}")
        words = (
            ("sampler", get_args(Sampler)), ("metric", METRICS), ("minimize", MEASURES),
            ("stop", (None, *get_args(Stop))), ("runtime", (None, *get_args(Runtime))),
        )  # fmt: skip
        for name, known in words:
            if (word := getattr(self, name)) not in known:
                choices = ", ".join(each for each in known if each)
                raise InputError(f"{name} must be one of {choices}, got {word!r}; choose one")

    def extent(self, trials: int) -> Extent:
        """How far the study shall go, with so many networks."""
        if self.accuracy is None:
            return Extent(trials, self.repeats or 0)
        every = (GOAL_SEEDS - 1) * trials  # at most
        return Extent(trials, every if self.repeats is None else self.repeats, parse_share(str(self.accuracy)))

    @property
    def rule(self) -> Stop:
        return self.stop or default_stop(self.sampler)


def as_command(
    begin: Sequence[str], plan: SearchPlan, names: Mapping[str, str] = OPTIONS, left: Collection[str] = ()
) -> str:
    """A plan that was made in Python as a command line, as study.yaml keeps it: `nas`, what it begins with, and the
    options that are not the default ones. `names`: of fields whose options are called otherwise. A storage's URL and
    the fields `left` are not in it."""
    words = ["nas", *begin]
    for field in fields(plan):
        value = getattr(plan, field.name)
        if field.name in ("command", "storage", "reading", "latency_device", *left) or value == field.default:
            continue
        option = f"--{names.get(field.name, field.name)}".replace("_", "-")
        words += [option] if value is True else [option, str(value)]
    return shlex.join([*words, *reading_options(plan.reading)])


def reading_options(reading: Reading) -> list[str]:
    """`--val path/to/held --skip-broken`, as the commands that read data take them."""
    words = list[str]()
    for name, value in asdict(reading).items():
        if value and name != "apart":
            option = f"--{'val' if name == 'validation' else name}".replace("_", "-")
            words += [option] if value is True else [option, value]
    return words


def default_stop(sampler: Sampler) -> Stop:
    """The stopping rule of a sampler that was given none."""
    return "none" if sampler in ("random", "spread") else "quantile"


def study_name(space: Drawable, data: str, budget: Budget, plan: SearchPlan) -> str:
    """`digits-1M-4M`, `cifar-cifar10-5M-40M-random`: the same command finds the same study. Always a valid name."""
    words = [space.name] + [data] * (data != space.name)
    for place, band in budget.bands:
        words += [MEASURES[place]] * (place > 0) + ends_in_name(place, band)
    words += [f"batch{plan.batch}"] * (plan.batch not in (None, 1)) + [plan.runtime or ""] * (plan.runtime == ONNX)
    words += [plan.latency_device] if plan.latency_device else []
    words += [plan.sampler] * (plan.sampler != DEFAULT_SAMPLER)
    words += [plan.metric] * (plan.metric != "accuracy")
    words += [f"min-{plan.minimize}"] * (plan.minimize != "flops")
    words += [f"stop-{plan.stop}"] * (plan.rule != default_stop(plan.sampler))
    words += [f"seed{plan.seed}"] * (plan.seed != 0)
    return name_of(words)


def names_beside(name: str, plan: SearchPlan) -> list[str]:
    """Of the studies that a search begins beside its own."""
    rivals = [plan.rival.name] if plan.rival else []
    return [*rivals, *[f"{name}{BASELINE}"] * plan.baseline]


def parse_images(images: str | int | None) -> int | None:
    """`30K` -> how many images each network sees. Raises InputError for no number from 1 on."""
    return None if images is None else parse_count(str(images), "images", "30K")


def parse_time(text: str) -> float:
    """`2h`, `90min`, `1h 30min` -> seconds. Raises InputError for anything else."""
    if not _TIME.fullmatch(text.strip()):
        raise InputError(f"time must be hours, minutes or seconds, got {text}; write e.g. 2h or 90min")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)", text)
    if not (seconds := sum(float(number) * _UNITS[unit] for number, unit in parts)):
        raise InputError(f"time must be more than nothing, got {text}; write e.g. 2h or 90min")
    return seconds
