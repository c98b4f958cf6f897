"""Results as lines and tables for the terminal. Every table says its convention, split and counts. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_note, too_few
from nas.analysis.pareto import Outcome, accuracy, hypervolume, knee, outcome, scored
from nas.analysis.rank_agreement import FEWEST, NEEDED, TAUS, Agreement, Tau
from nas.analysis.seed_noise import NetworkResult, NetworkResults, Noise, networks
from nas.analysis.studies import Summary
from nas.analysis.wording import CONVENTION, LEGEND, caption, describe, shares, signed, task_words
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.samplers.early_stopping import build_rule
from space import Arch, Cost, Task, breakdown, compact

SEED_OF_A_ROW = "of the 1 seed of that row (a network's accuracy is the mean of its seeds: nas front)"


def front_table(trials: Sequence[Trial], settings: Settings) -> Table:
    """The front by rising FLOPs, its knee, best and ties marked; intervals where a network was repeated."""
    found, count = networks(trials), len(scored(trials))
    counts = f"{count} trials" if found.noise is None else f"{len(found.rows)} networks, {count} trainings,"
    title = f"{settings.name}: front of {counts} in {settings.band} FLOPs, hypervolume "
    title += f"{hypervolume(trials, settings.band):.4f}"
    note = escape(front_caption(found, settings))
    table = Table(title=title, caption=note, title_justify="left", caption_justify="left")
    once = ("trial", "accuracy", "FLOPs", "params", "seconds")
    for name in once if found.noise is None else ("trial", "accuracy", "n", "on front", "FLOPs"):
        table.add_column(name, justify="right", no_wrap=name == "accuracy")
    table.add_column("network", overflow="fold")
    table.add_column("")
    for row in found.front:
        table.add_row(*_measured(row), describe(row.trial.to_arch()), _mark(row, found))
    return table


def _measured(row: NetworkResult) -> list[str]:
    """Cells of numbers: with interval, seeds and probability of being on the front, where networks were repeated."""
    number, mean, cost, *rest = _numbers(row.trial)
    if row.probability is None:
        return [number, mean, cost, *rest]
    spread = mean if row.half is None else f"{mean[:-1]} ± {100 * row.half:.2f}%"
    return [number, spread, str(row.seeds), f"{row.probability:.0%}", cost]


def _mark(row: NetworkResult, found: NetworkResults) -> str:
    """`knee`, `best, tie with trial 12`."""
    front = [other.trial for other in found.front]
    place = "best" if row.trial is front[-1] else "knee" if row.trial is knee(front) else ""
    return ", ".join(filter(None, [place, "" if row.tie is None else f"tie with trial {row.tie}"]))


def front_caption(found: NetworkResults, settings: Settings) -> str:
    """What the numbers of a front are, and how far they can be trusted."""
    if found.noise is None:
        return f"{caption(settings)} One seed a network: no interval, and near ones may be ties."
    data = settings.data
    return (
        f"accuracy: mean top-1 of n seeds on {data.name}'s validation split of {data.validation:,} images, "
        f"{settings.training}. {noise_words(found.noise, settings, found)} on front: probability, from the networks' "
        f"posterior given FLOPs and seeds. {_tie_words(found)}{_flattery(found)}"
        f"{CONVENTION}. {LEGEND}."
    )


def noise_words(noise: Noise, settings: Settings, found: NetworkResults) -> str:
    """What an interval covers, and what it leaves out; or how many seeds are needed for one."""
    if not noise.known:
        return f"±: {too_few(noise.freedom, 'seed', FREEDOM)} beyond the first of a network (--repeats)."
    top = max((accuracy(row.trial) for row in found.front), default=0.0)
    split = math.sqrt(top * (1 - top) / settings.data.validation)
    return (
        f"±: 95% interval of the mean over seeds, each by itself (Student's t, {noise.freedom} degrees of freedom; the "
        f"standard deviation of one training, {100 * noise.sd:.2f} points, is pooled over repeated networks and taken "
        f"as equal for all). The split's sampling error, {100 * split:.2f} points at the best, is not in it: it moves "
        "all networks together."
    )


def _tie_words(found: NetworkResults) -> str:
    """What a tie is, where ties can be told."""
    if found.noise is None or not found.noise.known:
        return ""
    return f"tie: within noise of the next cheaper member, {bonferroni_note(len(found.front) - 1, 'neighbours')}. "


def flattery_words(points: float) -> str:
    """By how much a front, being a choice of the highest, flatters."""
    if points >= 0.005:
        return f"Chosen as the highest, the front's means flatter by about {points:.2f} points. "
    if points > -0.005:
        return "Chosen as the highest, the front's means may flatter, here by less than 0.01 points. "
    return f"The front's means are {-points:.2f} points lower than further seeds are expected to give. "


def _flattery(found: NetworkResults) -> str:
    """The same, and who else may be on it."""
    words = flattery_words(100 * (found.flattery or 0))
    if not found.rivals:
        return words
    near = ", ".join(f"trial {row.trial.number} ({row.probability:.0%})" for row in found.rivals[:5])
    return f"{words}Rivals off the front: {near}{', ...' if len(found.rivals) > 5 else ''}. "


def baseline_line(trials: Sequence[Trial], settings: Settings, beside: Sequence[Trial], other: Settings) -> str:
    """A study's outcome beside its baseline's, with the training that each took."""
    own, base = outcome(trials, settings), outcome(beside, other)
    return f"{_outcome_words(own)}\nbaseline, {other.sampler} search: {_outcome_words(base)}"


def _outcome_words(found: Outcome) -> str:
    return (
        f"{found.study}: {found.front} of {found.networks} networks on the front, hypervolume {found.hypervolume:.4f}, "
        f"{found.trainings} trainings, {found.epochs:,} epochs, {found.seconds:,.0f} s of training"
    )


def agreement_table(found: Agreement, epochs: int, settings: Settings) -> Table:
    """Kendall's tau with long training, of brief training and of FLOPs alone."""
    title = (
        f"{settings.name}: {found.networks} networks after {settings.recipe['epochs']} epochs, as in the study, and "
        f"after {epochs}"
    )
    note = (
        f"Kendall's tau-b with validation top-1 after {epochs} epochs (n = {settings.data.validation:,} images, 1 seed "
        f"each, not the study's). {_tau_words(found)} {found.verdict()} {found.bias()} {CONVENTION}."
    )
    table = Table(title=title, caption=escape(note), title_justify="left", caption_justify="left")
    table.add_column("ranked by")
    for name in ("pairs", "tau", "interval"):
        table.add_column(name, justify="right")
    table.add_row("brief training, all pairs", *_tau(found.overall))
    table.add_row("FLOPs alone, all pairs", *_tau(found.overall_flops), end_section=True)
    table.add_row("brief training, equal FLOPs", *_tau(found.equal))
    table.add_row("FLOPs alone, equal FLOPs", *_tau(found.equal_flops))
    return table


def _tau_words(found: Agreement) -> str:
    """What the intervals are, or how many networks are needed for any."""
    if found.overall.low is None:
        return f"{too_few(found.networks, 'network', NEEDED).capitalize()}."
    held = bonferroni_note(TAUS, "intervals")
    return f"Intervals: of a bootstrap over networks, {held}; none for fewer than {FEWEST} pairs."


def _tau(tau: Tau) -> list[str]:
    if tau.value is None or tau.low is None:
        return [str(tau.pairs), "", "" if tau.value is None else "too few"]
    return [str(tau.pairs), f"{tau.value:.2f}", f"{tau.low:.2f} to {tau.high:.2f}"]


def effects_table(found: Agreement) -> Table:
    """What long training gives more than brief, by design choice."""
    note = (
        "change: points of accuracy that long training adds to the network with the most blocks of the choice, less "
        "what it adds to that with the fewest, at equal FLOPs (depth, width: per doubling). Intervals: "
        f"{bonferroni_note(len(found.effects), 'intervals')}; too few: the networks, to tell this one. A choice stands "
        "for those that go with it in all of these networks, and against its lack."
    )
    table = Table(caption=note, caption_justify="left")
    for name in ("axis", "choice"):
        table.add_column(name)
    for name in ("change", "interval"):
        table.add_column(name, justify="right")
    table.add_column("by brief training")
    for row in found.effects:
        change, interval = "", "too few"
        if row.low is not None and row.high is not None:
            change, interval = signed(100 * row.change, 1), f"{signed(100 * row.low, 1)} to {signed(100 * row.high, 1)}"
        table.add_row(row.axis, row.choice, change, interval, row.rated)
    return table


def trials_table(trials: Sequence[Trial], settings: Settings) -> Table:
    """Every trial; what a failed or stopped one met stands in place of its network. The caption says the rule."""
    rule = build_rule(settings.stop, int(settings.recipe["epochs"]), settings.seed)
    stopping = "" if settings.stop == "none" else f" Stopping: {rule.describe()}."
    table = Table(caption=escape(caption(settings, SEED_OF_A_ROW) + stopping), caption_justify="left")
    for name in ("trial", "accuracy,\n1 seed", "FLOPs", "params", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("state")
    table.add_column("network, or reason", overflow="fold")
    for trial in trials:
        text = trial.reason or (describe(trial.to_arch()) if trial.arch else "")
        text += "" if trial.repeat_of is None else f" (trial {trial.repeat_of} with another seed)"
        table.add_row(*_numbers(trial), trial.state, Text(text))  # a reason's brackets are no markup
    return table


STUDIES = (
    "best: the most accurate network, at the mean of its seeds (how many); top-1 on the study's validation split. "
    "budget: FLOPs, conv + linear multiply-accumulates, batch 1."
)


def studies_table(rows: Sequence[Summary]) -> Table:
    """Every study; a broken one says why."""
    table = Table(caption=STUDIES, caption_justify="left")
    for name in ("study", "state", "complete", "failed", "best (seeds)", "data", "budget", "updated"):
        table.add_column(name, overflow="fold")
    for row in rows:
        best = "" if row.best is None else f"{row.best:.2%} ({row.seeds})"
        data = row.settings.data.name if row.settings else ""
        budget = str(row.settings.band) if row.settings else row.problem or ""
        updated = row.updated.astimezone().strftime("%Y-%m-%d %H:%M") if row.updated else ""
        cells = (row.name, row.state, str(row.complete), str(row.failed), best, data, budget, updated)
        table.add_row(*map(Text, cells))  # not markup: a folder's name may hold brackets
    errors = [f"{row.name}: its last search ended with an error: {row.problem}" for row in rows if row.state == "error"]
    if errors:
        table.caption, table.caption_justify = Text("\n".join(errors)), "left"
    return table


def network_table(arch: Arch, task: Task) -> Table:
    """A network by part: stem, stages with their downsampling, head, and all of it. Shapes are channels x height x
    width of the output."""
    note = f"{CONVENTION}, {task_words(task)}."
    table = Table(caption=f"{note} A stage holds the downsampling before it.", caption_justify="left")
    table.box, table.padding, table.pad_edge = box.SIMPLE_HEAD, 0, False  # 36 x depthwise_first fits 80 characters
    for name in ("part", "blocks", "output"):
        table.add_column(name, no_wrap=True)
    for name, letters in (("width", 5), ("kernel", 6), ("FLOPs", 6), ("%", 5), ("params", 7), ("%", 5)):
        table.add_column(name, justify="right", no_wrap=True, min_width=letters)
    rows = breakdown(arch, task)
    total = sum((row.cost for row in rows), Cost())
    design = network_design(arch)
    percents = zip(shares(row.cost.flops for row in rows), shares(row.cost.params for row in rows), strict=True)
    for row, (what, width, kernel), (of_flops, of_params) in zip(rows, design, percents, strict=True):
        shape = str(row.width) if row is rows[-1] else f"{row.width}x{row.size}x{row.size}"
        cells = (compact(row.cost.flops), of_flops, compact(row.cost.params), of_params)
        table.add_row(row.name, what, shape, width, kernel, *cells, end_section=row is rows[-1])
    table.add_row("all", f"{arch.depth} blocks", "", "", "", compact(total.flops), "100", compact(total.params), "100")
    return table


def costs_table(names: Sequence[str], tasks: Sequence[Task], counts: Sequence[Cost]) -> Table:
    """Networks, each with its counts; their task stands in the caption where it is the same for all."""
    alike = len(set(tasks)) == 1
    note = f"{CONVENTION}{f', {task_words(tasks[0])}' if alike else ''}."
    table = Table(caption=note, caption_justify="left")
    table.add_column("network", overflow="fold")
    for name in ("FLOPs", "params", "activations"):
        table.add_column(name, justify="right", no_wrap=True)
    if not alike:
        table.add_column("task")
    for name, task, cost in zip(names, tasks, counts, strict=True):
        cells = [f"{count:,}" for count in (cost.flops, cost.params, cost.activations)]
        table.add_row(escape(name), *cells, *([] if alike else [task_words(task)]))
    return table


def network_design(arch: Arch) -> list[tuple[str, str, str]]:
    """What was chosen for each part, as cells: (what it is, its width, its kernel); empty where it has none."""
    parts = [(arch.stem.name, arch.stages[0].width, arch.stem)]
    stages = [(f"{stage.depth} x {stage.block.name}", stage.width, stage.block) for stage in arch.stages]
    rows = [(what, str(width), str(getattr(part, "kernel", ""))) for what, width, part in [*parts, *stages]]
    return [*rows, (arch.head.name, "", "")]


def _numbers(trial: Trial) -> list[str]:
    accuracy = "" if trial.accuracy is None else f"{trial.accuracy:.2%}"
    seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
    counts = ["" if count is None else compact(count) for count in (trial.flops, trial.params)]
    return [str(trial.number), accuracy, *counts, seconds]
