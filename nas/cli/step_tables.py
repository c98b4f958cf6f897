"""What the steps between two networks do, as tables for the terminal and as JSON. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from nas.analysis.about import OF_NETWORKS, about_study
from nas.analysis.multiple_comparisons import bonferroni_note
from nas.analysis.plain_table import number, plain_table
from nas.analysis.step_effects import StepAnswers, answers_of
from nas.analysis.step_model import Estimate
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
        for order in answers.steps.design.orders:
            found = answers.order(order)
            print(f"order {', '.join(found.names)}: {found.sentence}")
    elif answers.steps.design.kind == "paths":
        print_table(path_table(answers), wide)
    else:
        print(waiting_line(answers))
    if not as_json and answers.failed:
        print(answers.failures_line())


def waiting_line(answers: StepAnswers) -> str:
    """Why there are no answers yet."""
    there = f"{answers.seed_line()} of {len(answers.steps.rows):,} so far"
    return f"{answers.settings.name}: {there}; {answers.needed}"


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
    level = bonferroni_note(answers.statements, "effects and pairs")
    way = "" if answers.model.whole else ", by the model"
    note = (
        f"{caption(answers)}\n"
        "gain: mean over all contexts, that is sets of the other steps; range: of 90% of contexts, noise included; "
        f"helps: in so many of them; here: where the steps as listed take it{way}\n"
        f"±: {level}{'' if answers.model.by_model else ', of seeds alone'}; told: from nothing"
    )
    table = plain_table(
        number(""), "step", number("gain"), number("range"), number("helps"), number("here"), "", title=title(answers),
        note=escape(note),
    )  # fmt: skip
    for i, step in enumerate(answers.effects, 1):
        low, high = step.range
        table.add_row(
            str(i), escape(step.name), step.gain.points, f"{signed(100 * low, 1)}..{signed(100 * high, 1)}",
            f"{step.helps:.0%}", signed(100 * step.on_path, 1), "told" if step.gain.told else "",
        )  # fmt: skip
    return table


def pairs_table(answers: StepAnswers, wide: bool) -> Table:
    """The pairs that are told from nothing, or the largest; all of them where `wide`."""
    pairs = answers.interactions
    told = [pair for pair in pairs if pair.change.told]
    shown = pairs if wide else told or pairs[:SHOWN]
    what = f"{len(told)} of {len(pairs)} pairs of steps {'is' if len(told) == 1 else 'are'} told from nothing"
    if not told:
        what = "no pair of steps is told from nothing" + ("" if wide else "; the largest:")
    note = "gains: so many points more (+) or less (-) than without it"
    if not answers.model.whole:
        note += "; a fraction of the sets cannot tell it from what three steps or more do together"
    table = plain_table("step", "gains", "where there is", title=what, note=note)
    for pair in shown:
        table.add_row(escape(pair.first), pair.change.points, escape(pair.second))
    return table


def path_table(answers: StepAnswers) -> Table:
    """A row a network along each order."""
    table = plain_table(
        "order", Column("step"), number("accuracy"), number("n"), number("FLOPs"), title=title(answers),
        note=escape(f"{caption(answers)}\nn: seeds. Given orders alone: no effects, no intervals (--design fraction)"),
    )  # fmt: skip
    for row in path_records(answers):
        there = row["accuracy"] is not None
        cells = (
            (f"{row['accuracy']:.2%}", str(row["seeds"]), compact(row["flops"])) if there else ("not trained", "", "")
        )
        table.add_row(str(row["order"]), escape(row["step"] or "(none)"), *cells)
    return table


def path_records(answers: StepAnswers) -> list[dict[str, Any]]:
    """A row a network along each order of a design of paths; of another design none."""
    design, found = answers.steps.design, {each.row: each for each in answers.trained}
    rows: list[dict[str, Any]] = []
    for place, order in enumerate(design.orders if design.kind == "paths" else (), 1):
        for taken, row in enumerate(along(order)):
            each = found.get(row)
            rows.append({
                "order": place, "step": answers.names[order[taken - 1]] if taken else None,
                "accuracy": each and each.accuracy, "seeds": each and each.seeds, "flops": each and each.flops,
                "trial": each and each.trial,
            })  # fmt: skip
    return rows


def step_records(answers: StepAnswers) -> list[dict[str, Any]]:
    """A row for each step, then one for each pair; of a design of paths one for each network. Accuracies are from 0 to
    1."""
    if not answers.ready:
        return path_records(answers)
    rows: list[dict[str, Any]] = []
    for step in answers.effects:
        low, high = step.range
        rows.append({
            "step": step.name, "where": None, "before": step.before, "after": step.after, **_plain(step.gain),
            "contexts_5": low, "contexts_95": high, "helps": step.helps, "shapley": step.shapley,
            "on_path": step.on_path,
        })  # fmt: skip
    rows += [{"step": p.first, "where": p.second, **_plain(p.change)} for p in answers.interactions]
    return rows


def _about(answers: StepAnswers) -> dict[str, Any]:
    found: dict[str, Any] = {
        "steps": {step.name: list(step.fields) for step in answers.steps.steps},
        "design": answers.steps.design.kind, "equal_flops": answers.steps.scale is None,
        "networks": len(answers.model.networks), "ready": answers.ready,
        "failed": [_taken(answers, row) for row in answers.failed],
        "level": bonferroni_note(answers.statements, "effects and pairs"),
    }  # fmt: skip
    if answers.ready:
        orders = [answers.order(order) for order in answers.steps.design.orders]
        found["orders"] = [
            {"steps": order.names, "accuracies": order.accuracies.tolist(), **_plain(order.advantage),
             "above": order.above, "by_model": not answers.model.whole}
            for order in orders
        ]  # fmt: skip
    return found


def _taken(answers: StepAnswers, row: Row) -> list[str]:
    return [name for name, taken in zip(answers.names, row, strict=True) if taken]


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"gain": estimate.value, "half": estimate.half, "told": estimate.told}
