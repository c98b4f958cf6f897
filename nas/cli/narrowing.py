"""`nas space --narrow-from`: what a study proposes to drop of its space, as a table, a file, and the command that tests
it. Needs no torch."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Column, Table

from nas.analysis.about import OF_NETWORKS, about_study
from nas.analysis.design_choices import traits_of, word_of
from nas.analysis.multiple_comparisons import VALUES, bonferroni_note
from nas.analysis.narrowing import ChoiceEffect, Narrowing, narrowed_space, propose_narrowing
from nas.analysis.pareto import flops, merged, score
from nas.analysis.plain_table import number, plain_table
from nas.analysis.wording import basis, signed
from nas.cli.base import print_json, print_table
from nas.cli.space_report import save
from nas.records.settings import Settings
from nas.searching.plan import reading_options
from nas.storage.reader import Reader
from space import InputError, Space

NETWORKS = 100  # of each space, in the command that is printed: the default of nas compare-spaces


def print_narrowing(space: Space, name: str, folder: Path, out: Path | None, as_json: bool) -> None:
    """What the study in the folder proposes for the space, which a person calls `name`."""
    reader = Reader(folder)
    settings = reader.settings
    _check_own(space, settings)
    rows = [trial for trial in merged(reader.trials()) if trial.arch]
    accuracy, costs = (np.array([of(trial) for trial in rows], dtype=float) for of in (score, flops))
    found = propose_narrowing(space, [traits_of(trial.arch) for trial in rows], accuracy, costs)
    kept = found.kept(space)
    if out and kept:
        narrower = narrowed_space(space, kept, out.stem)
        narrower.check_budget(settings.budget, settings.task)
        save(narrower, out)
    command = command_to_test(name, out, settings) if out and kept else None
    if as_json:
        print_json(*_json(space, found, settings, command))
        return
    print_table(narrowing_table(space, found, settings))
    if not kept:
        print("No choice is worse than the best of its axis beyond its interval: nothing is proposed.")
    elif command is None:
        print("To test it, write it: --out narrowed.yaml")
    else:
        print(f"saved as {out}", file=sys.stderr)
        print(f"A proposal, until fresh random networks of both are trained alike:\n{command}")


def _check_own(space: Space, settings: Settings) -> None:
    if rows := space.differences(settings.build_space()):
        axis, here, there = rows[0]
        raise InputError(
            f"narrow-from must be a study of space {space.name}, got {settings.name}, whose {axis} is "
            f"{there or 'no axis'}, not {here or 'there'}; give a study of that space"
        )


def command_to_test(space: str, out: Path, settings: Settings) -> str:
    """That tests the proposal as the study trained, in its band."""
    command = settings.command.replace("--recipe=", "--recipe ")
    told = shlex.split(command) if command.startswith("nas search ") else []
    words = ["nas", "compare-spaces", space, str(out), "--data", settings.data.source]
    words += ["--flops", str(settings.band), "--networks", str(NETWORKS)]
    words += ["--images", str(settings.build_recipe().length)]
    words += ["--recipe", told[told.index("--recipe") + 1]] if "--recipe" in told[:-1] else []
    words += ["--metric", settings.metric] * (settings.metric != "accuracy")
    size = settings.task.image_size
    words += ["--image-size", str(size)] * (size != settings.build_space().image_size)
    words += reading_options(settings.data.reading)
    return shlex.join(words)


def narrowing_table(space: Space, found: Narrowing, settings: Settings) -> Table:
    """A row for each choice of the axes that were judged: its effect, and whether it stays."""
    title = f"{space.name}: what {found.networks} networks of {settings.name} propose to drop"
    heads = (Column(name, no_wrap=True) for name in ("axis", "choice"))
    table = plain_table(
        *heads, number("effect"), number("interval"), "proposal", title=title, note=_note(found, settings)
    )
    for row in found.effects:
        table.add_row(row.axis, word_of(row.best), "", "", "kept, the best")
        for effect in row.others:
            table.add_row("", word_of(effect.choice), *_effect(effect), "dropped" if effect.worse else "kept")
        for value in row.few:
            table.add_row("", word_of(value), "", "too few", "kept")
    return table


def _effect(effect: ChoiceEffect) -> list[str]:
    """`-9.27`, `-18.51 to -0.03`."""
    ends = (signed(100 * end, 2) for end in (effect.value - effect.half, effect.value + effect.half))
    return [signed(100 * effect.value, 2), " to ".join(ends)]


def _note(found: Narrowing, settings: Settings) -> str:
    lines = [
        basis(settings, OF_NETWORKS),
        "effect: points of accuracy of networks of that choice alone, less those of the\n  best one, at equal FLOPs",
        f"interval: Student's, {bonferroni_note(found.tests, 'pairs of choices')}",
    ]
    if any(row.few for row in found.effects):
        lines.append(f"too few: less than {VALUES} networks to judge it by")
    if found.untested:
        lines.append(f"not judged (size, too many choices, or too few networks): {', '.join(found.untested)}")
    return "\n".join(lines)


def _json(
    space: Space, found: Narrowing, settings: Settings, command: str | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    about = about_study(settings, OF_NETWORKS)
    about |= {"networks": found.networks, "pairs": found.tests, "not_judged": list(found.untested), "test": command}
    rows = [
        {
            "axis": row.axis, "best": row.best, "dropped": list(row.dropped), "too_few": list(row.few),
            "kept": [value for value in space.axes[row.axis].values if value not in row.dropped],
            "effects": [
                {"choice": e.choice, "effect": e.value, "low": e.value - e.half, "high": e.value + e.half}
                for e in row.others
            ],
        }
        for row in found.effects
    ]  # fmt: skip
    return about, rows
