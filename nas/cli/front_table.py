"""The front of a study as a table for the terminal, with what it rests on. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table

from nas.analysis.baseline import baseline_of, study_beside, why_not
from nas.analysis.chance import front_chance
from nas.analysis.cost_axes import FLOPS, FORECAST, MINIMISED, CostAxis, cost_of
from nas.analysis.leads import leads, leads_words
from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_note, too_few
from nas.analysis.pareto import knee, outcome, pareto_front, score, scored, split_error
from nas.analysis.plain_table import number, plain_table
from nas.analysis.seed_noise import NetworkResult, NetworkResults, Noise, networks
from nas.analysis.wording import (
    CONVENTION,
    LEGEND,
    describe,
    in_words,
)  # fmt: skip
from nas.cli.base import print_json, print_table, print_text
from nas.cli.columns import cells, choose, heads, notes
from nas.cli.reference_table import references_table
from nas.cli.study_tables import (
    Notes,
    basis_notes,
    count_words,
    in_full,
    nothing_yet,
    over_lines,
    seconds_words,
)
from nas.latency.front_check import outside_words
from nas.records.scores import BALANCED
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.storage.reader import Reader

if TYPE_CHECKING:
    from nas.cli.columns import Columns


def print_front(
    folder: Path, as_json: bool, wide: bool = False, names: Sequence[str] | None = None, by: str | None = None
) -> None:
    """The front of a study over what it minimises, or what else `by` says of COUNTED, beside that of random search
    where there is one; over FLOPs beside references too. `names`: of columns that were chosen."""
    reader, beside = Reader(folder), baseline_of(folder)
    by = by or reader.settings.minimize
    cost = MINIMISED[by]
    trials, other = reader.trials(), Reader(beside) if beside else None
    if as_json:
        from nas.analysis.about import OF_NETWORKS, about_outcome, about_study
        from nas.analysis.data_frames import front_records
        from nas.cli.reference_table import reference_records

        about = about_study(reader.settings, OF_NETWORKS) | {"by": by}
        about |= about_outcome(folder, trials, reader.settings, cost)
        if cost is FLOPS:
            about["references"] = reference_records(folder, networks(trials), reader.settings)
        print_json(about, front_records(trials, other.trials() if other else (), cost))
        return
    if not scored(trials):
        print(nothing_yet(reader.settings, trials))
        return
    print_table(front_table(trials, reader.settings, wide, names, by), wide)
    if names:
        return  # these columns alone
    for line in outside_words(folder, reader.settings, pareto_front(trials, cost.of)):
        print_text(f"latency: {line}")
    if (found := study_beside(folder)) and not other:
        why = why_not(reader.settings, Settings.read(found))
        print_text(f"{found.name} is not set beside it as random search's: {why}.")
    if other:
        print(baseline_line(trials, reader.settings, other.trials(), other.settings, cost))
        front = pareto_front(trials, cost.of)
        rival = f"{other.settings.sampler.capitalize()} search"
        if said := leads_words(leads(front, other.trials(), cost.of), rival, cost):
            print_text(said)
    if cost is FLOPS and (beside_front := references_table(folder, networks(trials), reader.settings)):
        print()
        print_table(beside_front)


def front_table(
    trials: Sequence[Trial],
    settings: Settings,
    wide: bool = False,
    names: Sequence[str] | None = None,
    by: str | None = None,
) -> Table:
    """The front by rising cost, `by` of MINIMISED (None: what the study minimises), its knee, best and ties marked;
    intervals where a network was repeated. `wide`: every column, networks in full, and all that is to be said of the
    numbers. `names`: of columns that were chosen."""
    by, own = by or settings.minimize, cost_of(settings)
    cost = MINIMISED[by]
    found, count = networks(trials, cost=cost), len(scored(trials))
    counts = f"{count} trial{'s' * (count != 1)}"
    if found.noise is not None:
        counts = f"{len(found.rows)} network{'s' * (len(found.rows) != 1)} ({count} trainings)"
    title = f"{settings.name}: front of {counts} in {settings.budget}\n"
    if cost is own:
        volume = outcome(trials, settings).hypervolume
        title += f"hypervolume {volume:.4f}: the area under it over log {cost.name}, 0 to 1"
    else:
        title += f"over {cost.label}"
    every = _front_columns(found, settings, wide)
    seeds = [] if found.noise is None else ["seeds"]
    limited = [name for name in MINIMISED if name != by and getattr(settings, name, None)]
    costs = [name for name in dict.fromkeys([*limited, "flops", "params"]) if name != by]
    narrow = limited or ([] if seeds else costs[:1])
    more = [*(["probability"] if seeds else []), *costs, "seconds"] if wide else narrow
    chosen = choose(every, ["trial", "accuracy", *seeds, by, *more, "network", "mark"], names)
    said = front_notes(found, settings) if wide else _short_notes(found, settings)
    note = (" " if wide else "\n").join(notes(said, chosen))
    table = plain_table(*heads(every, chosen), title=title, note=escape(note))
    for row in found.front:
        table.add_row(*cells(every, chosen, row))
    return table


def _front_columns(found: NetworkResults, settings: Settings, wide: bool) -> Columns:
    """All that the table of a front may have, of a NetworkResult."""

    def accuracy(row: NetworkResult) -> str:
        mean = f"{score(row.trial):.2%}"
        return mean if row.half is None else f"{mean[:-1]} ± {100 * row.half:.2f}%"

    return {
        "trial": (number("trial"), lambda row: str(row.trial.number)),
        "accuracy": (number(over_lines(settings)), accuracy),
        "seeds": (number("n"), lambda row: str(row.seeds)),
        "flops": (number("FLOPs"), lambda row: count_words(row.trial.flops)),
        "probability": (
            number("on front"), lambda row: "" if row.probability is None else f"{row.probability:.0%}"
        ),
        "params": (number("params"), lambda row: count_words(row.trial.params)),
        "activations": (number("acti-\nvations"), lambda row: count_words(row.trial.activations)),
        **({"latency": (number("forecast\nlatency"), lambda row: FORECAST.words(FORECAST.on(row.trial)))}
           if settings.latency else {}),
        "seconds": (number("seconds"), lambda row: seconds_words(row.trial)),
        "key": (number("key"), lambda row: row.trial.key or ""),
        "network": (
            Column("network", overflow="fold"), lambda row: (describe if wide else in_words)(row.trial.to_arch())
        ),
        "mark": (Column(""), lambda row: _mark(row, found, wide)),
    }  # fmt: skip


_TIE = "tie: these seeds do not tell it from the row above (more on both: --wide)"


def _short_notes(found: NetworkResults, settings: Settings) -> Notes:
    """What a person needs to read the front, a line each; the rest is in `front_notes`."""
    said = basis_notes(settings, "1 seed per network" if found.noise is None else "mean of n seeds")
    if found.noise is None:
        said.append(("accuracy", _one_seed(found, settings)))
    elif found.noise.known:
        split = split_error(found.front[-1].trial, settings.data.validation) if found.front else 0.0
        said += [
            ("accuracy", f"±: 95% interval over seeds; without the split's own error, {100 * split:.2f} points"),
            ("mark", _TIE if any(row.tie is not None for row in found.front) else ""),
            ("trial", _apart_words(found) if len(found.apart) > 1 else ""),
        ]
    else:
        said.append(("accuracy", noise_words(found.noise, settings, found)))
    said.append(("accuracy", _chance(found, settings)))
    return [*said, ("network", in_full(settings))]


def _one_seed(found: NetworkResults, settings: Settings) -> str:
    said = "One seed per network: no interval, and near ones may be ties"
    if not found.front:
        return f"{said}."
    error = split_error(found.front[-1].trial, settings.data.validation)
    return f"{said}; the split alone has a standard error of {100 * error:.2f} points."


def _chance(found: NetworkResults, settings: Settings) -> str:
    return front_chance([row.trial for row in found.front], len(found.rows), settings)


def _sentence(words: str) -> str:
    return words and f"{words[0].upper()}{words[1:]}."


def _apart_words(found: NetworkResults) -> str:
    """Which of the front are certainly steps of it."""
    numbers = ", ".join(str(row.trial.number) for row in found.apart)
    held = bonferroni_note(found.pairs, "pairs of networks")
    return f"told from one another: {len(found.apart)} of {len(found.front)}, trials {numbers}; {held}"


def _mark(row: NetworkResult, found: NetworkResults, wide: bool) -> str:
    """`knee`, `best, tie`; `best, tie with trial 12`."""
    front = [other.trial for other in found.front]
    place = "best" if row.trial is front[-1] else "knee" if row.trial is knee(front, found.cost.on) else ""
    tie = "" if row.tie is None else f"tie with trial {row.tie}" if wide else "tie"
    return ", ".join(filter(None, [place, tie]))


def front_notes(found: NetworkResults, settings: Settings) -> Notes:
    """What the numbers of a front are, and how far they can be trusted, in sentences."""
    last: Notes = [("", f"{CONVENTION}."), ("network", f"{LEGEND}.")]
    if found.noise is None:
        one = _one_seed(found, settings)
        accuracy, flops = basis_notes(settings, "1 seed per network")
        chance = [("accuracy", _sentence(_chance(found, settings)))]
        return [("accuracy", f"{accuracy[1]}."), ("", f"{flops[1]}."), last[1], ("accuracy", one), *chance]
    data, metric = settings.data, settings.metric
    mean = "accuracy: mean top-1 of n seeds" if metric == "accuracy" else f"{BALANCED}, mean of n seeds"
    split = f"{mean} on {data.name}'s validation split of {data.validation:,} images, {settings.training}."
    place = f"on front: probability, from the networks' posterior given {found.cost.name} and seeds."
    held = bonferroni_note(len(found.front) - 1, "neighbours")
    ties = f"tie: within noise of the next cheaper member, {held}." if found.noise.known else ""
    noise = noise_words(found.noise, settings, found)
    said = [("accuracy", split), ("accuracy", noise), ("probability", place), ("mark", ties)]
    return [
        *said,
        ("accuracy", flattery_words(100 * (found.flattery or 0))),
        ("accuracy", _sentence(_chance(found, settings))),
        ("trial", _rivals(found)),
        *last,
    ]


def noise_words(noise: Noise, settings: Settings, found: NetworkResults) -> str:
    """What an interval covers, and what it leaves out; or how many seeds are needed for one."""
    if not noise.known:
        return f"±: {too_few(noise.freedom, 'seed', FREEDOM)} beyond the first of a network (--repeats)."
    split = split_error(found.front[-1].trial, settings.data.validation) if found.front else 0.0
    return (
        f"±: 95% interval of the mean over seeds, each by itself (Student's t, {noise.freedom} degrees of freedom; the "
        f"standard deviation of one training, {100 * noise.sd:.2f} points, is pooled over repeated networks and taken "
        f"as equal for all). The split's sampling error, {100 * split:.2f} points at the best, is not in it: it moves "
        "all networks together."
    )


def flattery_words(points: float) -> str:
    """By how much a front, being a choice of the highest, flatters."""
    if points >= 0.005:
        return f"Chosen as the highest, the front's means flatter by about {points:.2f} points."
    if points > -0.005:
        return "Chosen as the highest, the front's means may flatter, here by less than 0.01 points."
    return f"The front's means are {-points:.2f} points lower than further seeds are expected to give."


def _rivals(found: NetworkResults) -> str:
    """Who else may be on the front."""
    near = ", ".join(f"trial {row.trial.number} ({row.probability:.0%})" for row in found.rivals[:5])
    return f"Rivals off the front: {near}{', ...' if len(found.rivals) > 5 else ''}." if near else ""


def baseline_line(
    trials: Sequence[Trial], settings: Settings, beside: Sequence[Trial], other: Settings, cost: CostAxis = FLOPS
) -> str:
    """A study's outcome beside its baseline's, with the training that each took."""
    own, base = _outcome_words(trials, settings, cost), _outcome_words(beside, other, cost)
    return f"{settings.name}: {own}\nbaseline, {other.sampler} search, {other.name}:\n  {base}"


def _outcome_words(trials: Sequence[Trial], settings: Settings, cost: CostAxis) -> str:
    found, front = outcome(trials, settings), pareto_front(trials, cost.of)
    own = cost is cost_of(settings)
    over = "" if cost is FLOPS else f" over {cost.name}"
    reach = f" hypervolume {found.hypervolume:.4f}{over}" if own else f"\n  {_ends(front, cost)}"
    short = found.trainings - len(scored(trials))
    which = f"{found.trainings} trainings" + (f" ({short} not completed)" if short else "")
    took = f"{which} on {found.images:,} images, {found.seconds:,.0f} s of training"
    return f"{len(front)} of {found.networks} networks on the front,{reach},\n  {took}"


def _ends(front: Sequence[Trial], cost: CostAxis) -> str:
    """`65.34% at 29.1K parameters to 71.11% at 180K parameters`: the cheapest and the best of a front."""
    words = (f"{score(end):.2%} at {cost.said(cost.on(end))}" for end in (*front[:1], *front[1:][-1:]))
    return " to ".join(words) or "none is trained"
