"""Studies and their trials as tables for the terminal. Every one says its convention, split and counts.
Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from nas.analysis.plain_table import number, plain_table
from nas.analysis.studies import Summary
from nas.analysis.wording import (
    CONVENTION,
    IN_WORDS,
    LEGEND,
    basis,
    describe,
    in_words,
)  # fmt: skip
from nas.cli.columns import cells, choose, heads, notes
from nas.records.scores import WORDS
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.samplers.early_stopping import build_rule
from space import Band, compact

if TYPE_CHECKING:
    from nas.cli.columns import Columns

Notes = list[tuple[str, str]]  # a column, none for the whole table, and words on it
SEED_OF_A_ROW = "of the 1 seed of that row (a network's accuracy is the mean of its seeds: nas front)"


def nothing_yet(settings: Settings, trials: Sequence[Trial]) -> str:
    """Of a study without a trained network: that, and what to do next."""
    if not trials:
        return f"{settings.name}: no trial yet; to go on: {settings.command}"
    return f"{settings.name}: no network is trained to its end yet; nas trials {settings.name} has what there is"


def trials_table(
    trials: Sequence[Trial], settings: Settings, wide: bool = False, names: Sequence[str] | None = None
) -> Table:
    """Every trial; what a failed or stopped one met stands in place of its network. The caption says the rule. `names`:
    of columns that were chosen."""
    recipe = settings.build_recipe()
    rule = build_rule(settings.stop, recipe.periods, settings.seed)
    stopping = "" if settings.stop == "none" else f"stopping: {rule.describe(recipe.period)}"
    accuracy, flops = basis_notes(settings, SEED_OF_A_ROW)
    words = LEGEND if wide else in_full(settings)
    said = [accuracy, ("flops", flops[1]), ("network", words), ("state", stopping)]
    every = _trial_columns(settings, wide)
    default = ["trial", "accuracy", "flops", *(["params"] if wide else []), "seconds", "state", "network"]
    chosen = choose(every, default, names)
    table = plain_table(*heads(every, chosen), note=escape("\n".join(notes(said, chosen))))
    for trial in trials:
        table.add_row(*cells(every, chosen, trial))
    return table


def _trial_columns(settings: Settings, wide: bool) -> Columns:
    """All that the table of trials may have, of a Trial."""

    def network(trial: Trial) -> Text:
        text = trial.reason or ((describe if wide else in_words)(trial.to_arch()) if trial.arch else "")
        again = "" if trial.repeat_of is None else f" (trial {trial.repeat_of} with another seed)"
        return Text(text + again)  # a reason's brackets are no markup

    return {
        "trial": (number("trial"), lambda trial: str(trial.number)),
        "accuracy": (
            number(f"{over_lines(settings)},\n1 seed"),
            lambda trial: "" if trial.score is None else f"{trial.score:.2%}",
        ),
        "flops": (number("FLOPs"), lambda trial: count_words(trial.flops)),
        "params": (number("params"), lambda trial: count_words(trial.params)),
        "activations": (number("activations"), lambda trial: count_words(trial.activations)),
        "images": (number("images"), lambda trial: count_words(trial.images)),
        "seconds": (number("sec"), seconds_words),
        "seed": (number("seed"), lambda trial: "" if trial.seed is None else str(trial.seed)),
        "key": (number("key"), lambda trial: trial.key or ""),
        "state": (Column("state"), lambda trial: trial.state),
        "network": (Column("network, or reason", overflow="fold"), network),
    }  # fmt: skip


STUDIES = (
    (
        "best",
        "best: accuracy of the most accurate network, mean of its (n) seeds; top-1, or\n"
        "  balanced where it says so, on the study's validation split",
    ),
    ("budget", f"budget: {CONVENTION.replace(':', ',')}"),
)


def studies_table(rows: Sequence[Summary], names: Sequence[str] | None = None) -> Table:
    """Every study; a broken one says why. `names`: of columns that were chosen."""
    default = ("study", "state", "trained", "best", "data", "budget", "updated")
    chosen = choose(_STUDY_WORDS, default, names)
    # the longest budgets fold before names and dates do; in their place stands what is wrong with a study
    most = 15 if all(row.settings for row in rows) else None
    columns = (Column(name, overflow="fold", max_width=most if name == "budget" else None) for name in chosen)
    errors = [f"{row.name}: its last search ended with an error: {row.problem}" for row in rows if row.state == "error"]
    note = "\n".join([*notes(STUDIES, chosen), *map(escape, errors)])
    table = plain_table(*columns, note=note)
    for row in rows:
        table.add_row(*(Text(_STUDY_WORDS[name](row)) for name in chosen))  # a folder's name may hold brackets
    return table


def _best(row: Summary) -> str:
    kind = " balanced" if row.settings and row.settings.metric == "balanced" else ""
    return "" if row.best is None else f"{row.best:.2%}{kind} ({row.seeds})"


def _band(band: Band) -> str:
    return f"{compact(band.low)}..{compact(band.high)}"


def _moment(moment: datetime) -> str:
    """Its day; of today the time."""
    here = moment.astimezone()
    return f"{here:today %H:%M}" if here.date() == datetime.now().date() else f"{here:%Y-%m-%d}"


_STUDY_WORDS: dict[str, Callable[[Summary], str]] = {
    "study": lambda row: row.name,
    "state": lambda row: row.state,
    "trained": lambda row: f"{row.complete}{f', {row.failed} failed' if row.failed else ''}",
    "best": _best,
    "space": lambda row: row.settings.space_name if row.settings else "",
    "data": lambda row: row.settings.data.name if row.settings else "",
    "budget": lambda row: _band(row.settings.band) if row.settings else row.problem or "",
    "sampler": lambda row: row.settings.sampler if row.settings else "",
    "updated": lambda row: _moment(row.updated) if row.updated else "",
}


def count_words(count: int | None) -> str:
    return "" if count is None else compact(count)


def seconds_words(trial: Trial) -> str:
    return "" if trial.seconds is None else f"{trial.seconds:.1f}"


def over_lines(settings: Settings) -> str:
    """The heading of the column of scores."""
    return WORDS[settings.metric].replace(" ", "\n")


def basis_notes(settings: Settings, seeds: str) -> Notes:
    """`basis`, accuracy and FLOPs a line each."""
    accuracy, _, flops = basis(settings, seeds).removesuffix(".").partition(f". {CONVENTION}")
    return [("accuracy", accuracy), ("", CONVENTION + flops)]


def in_full(settings: Settings) -> str:
    return f"{IN_WORDS};\n  in full: nas show {settings.name} --trial N"
