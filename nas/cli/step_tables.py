"""What the steps between two networks do, as tables for the terminal and as JSON. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from nas.analysis.about import OF_NETWORKS, about_study
from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_note
from nas.analysis.plain_table import number, plain_table
from nas.analysis.step_effects import Estimate, StepAnswers, answers_of
from nas.analysis.wording import CONVENTION, signed
from nas.cli.base import print_json, print_table
from nas.records.scores import WORDS
from nas.storage.reader import Reader
from space import compact
from space.factorial import Row, along

SHOWN = 8  # pairs of steps, where fewer are told from nothing


def read_answers(folder: Path) -> StepAnswers:
    """Of a study of steps. Raises InputError for another study."""
    reader = Reader(folder)
    return answers_of(reader.settings, reader.trials())


def print_answers(answers: StepAnswers, wide: bool, as_json: bool) -> None:
    """Each step, the pairs, the order; or the paths alone where that is the design."""
    if as_json:
        print_json(about_study(answers.settings, OF_NETWORKS) | _about(answers), step_records(answers))
    elif answers.ready:
        print_table(effects_table(answers), wide)
        print_table(pairs_table(answers, wide), wide)
        print(order_line(answers))
    elif answers.steps.design.kind == "paths":
        print_table(path_table(answers), wide)
    else:
        print(waiting_line(answers))
    if not as_json and answers.failed:
        print(answers.failures_line())


def waiting_line(answers: StepAnswers) -> str:
    """Why there are no answers yet."""
    need = answers.least + 1 + FREEDOM
    return (
        f"{answers.settings.name}: {answers.seed_line()} of {len(answers.steps.rows):,} so far; the effects of "
        f"{len(answers.names)} steps and their pairs need {need:,} networks, or the noise of seeds (--seeds 2)"
    )


def title(answers: StepAnswers) -> str:
    settings, steps = answers.settings, answers.steps
    at = f"at {settings.band} FLOPs" if steps.scale is None else f"from {settings.band} FLOPs, widths kept"
    return f"{settings.name}: {len(answers.names)} steps, {answers.seed_line()}, {at}"


def caption(answers: StepAnswers) -> str:
    """What the accuracies are of."""
    settings = answers.settings
    return (
        f"points of top-1 {WORDS[settings.metric]} on {settings.data.name}'s validation split, n = "
        f"{settings.data.validation:,}, mean of each network's seeds, {settings.training}\n{CONVENTION}"
    )


def effects_table(answers: StepAnswers) -> Table:
    """A row a step, in the order of the walk."""
    note = (
        f"{caption(answers)}\n"
        "gain: mean over all contexts, that is sets of the other steps; range: of 90% of contexts; helps: in so many "
        f"of them; here: where this order takes it\n±: {bonferroni_note(answers.statements, 'effects and pairs')}"
        f"{'' if answers.by_model else ', of seeds alone'}; told: from nothing"
    )
    table = plain_table(
        number(""), "step", number("gain"), number("range"), number("helps"), number("here"), "", title=title(answers),
        note=escape(note),
    )  # fmt: skip
    for i, step in enumerate(answers.effects, 1):
        low, high = (float(q) for q in _quantiles(step.contexts))
        table.add_row(
            str(i), escape(step.name), _points(step.gain), f"{signed(100 * low, 1)}..{signed(100 * high, 1)}",
            f"{step.helps:.0%}", signed(100 * step.on_path, 1), "told" if step.gain.told else "",
        )  # fmt: skip
    return table


def pairs_table(answers: StepAnswers, wide: bool) -> Table:
    """The pairs that are told from nothing, or the largest; all of them where `wide`."""
    pairs = answers.interactions
    told = [pair for pair in pairs if pair.change.told]
    shown = pairs if wide else told or pairs[:SHOWN]
    what = f"{len(told)} of {len(pairs)} pairs of steps are told from nothing" + (
        "" if told or wide else "; the largest"
    )
    table = plain_table(
        "step", "gains", "where there is", title=what, note="gains: so many points more (+) or less (-) than without it"
    )
    for pair in shown:
        table.add_row(escape(pair.first), _points(pair.change), escape(pair.second))
    return table


def order_line(answers: StepAnswers) -> str:
    """Whether the walk's order is special."""
    order = answers.order()
    told = "told from a random order" if order.advantage.told else "not told from a random order"
    return (
        f"this order: the networks on its way are {_points(order.advantage)} points more accurate on average than on "
        f"that of a random order (95%), more than {order.above:.0%} of orders; {told}"
    )


def path_table(answers: StepAnswers) -> Table:
    """A row a network along each order."""
    found = {each.row: each for each in answers.trained}
    table = plain_table(
        "order", Column("step"), number("accuracy"), number("n"), number("FLOPs"), title=title(answers),
        note=escape(f"{caption(answers)}\nn: seeds. Given orders alone: no effects, no intervals (--design fraction)"),
    )  # fmt: skip
    for number_of, order in enumerate(answers.steps.design.orders, 1):
        for taken, row in enumerate(along(order)):
            name = answers.names[order[taken - 1]] if taken else "(none)"
            each = found.get(row)
            cells = (f"{each.accuracy:.2%}", str(each.seeds), compact(each.flops)) if each else ("not trained", "", "")
            table.add_row(str(number_of), escape(name), *cells)
    return table


def step_records(answers: StepAnswers) -> list[dict[str, Any]]:
    """A row for each step, then one for each pair; numbers in accuracy, 0 to 1."""
    if not answers.ready:
        return []
    rows: list[dict[str, Any]] = []
    for step in answers.effects:
        low, high = _quantiles(step.contexts)
        rows.append({
            "step": step.name, "where": None, "before": step.before, "after": step.after, **_plain(step.gain),
            "contexts_5": float(low), "contexts_95": float(high), "helps": step.helps, "shapley": step.shapley,
            "on_path": step.on_path,
        })  # fmt: skip
    rows += [{"step": p.first, "where": p.second, **_plain(p.change)} for p in answers.interactions]
    return rows


def _about(answers: StepAnswers) -> dict[str, Any]:
    found: dict[str, Any] = {
        "steps": {step.name: list(step.fields) for step in answers.steps.steps},
        "design": answers.steps.design.kind, "equal_flops": answers.steps.scale is None,
        "networks": len(answers.networks), "ready": answers.ready,
        "failed": [_taken(answers, row) for row in answers.failed],
        "level": bonferroni_note(answers.statements, "effects and pairs"),
    }  # fmt: skip
    if answers.ready:
        order = answers.order()
        found["order"] = {
            "accuracies": [float(each) for each in order.accuracies],
            **_plain(order.advantage),
            "above": order.above,
        }
    return found


def _taken(answers: StepAnswers, row: Row) -> list[str]:
    return [name for name, taken in zip(answers.names, row, strict=True) if taken]


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"gain": estimate.value, "half": estimate.half, "told": estimate.told}


def _points(estimate: Estimate) -> str:
    """`+1.23 ± 0.45`, in points."""
    half = "" if estimate.half is None else f" ± {100 * estimate.half:.2f}"
    return f"{signed(100 * estimate.value, 2)}{half}"


def _quantiles(values: Any) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(values, (0.05, 0.95))
    return float(low), float(high)
