"""A replay's tables for the terminal, a world at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Column, Table

from nas.analysis.multiple_comparisons import VALUES, bonferroni_note
from nas.analysis.plain_table import plain_table
from nas.benchmark.exhaustive import BUDGETS, LIMITS
from nas.benchmark.replay import World
from nas.benchmark.replay_summary import SHARES, ReplaySummary

NEVER = "-: not within the budget. "
RESTS_ON: dict[World, str] = {
    "table": "real trainings, recorded",
    "surrogate": "trainings made up by a model (surrogate)",
    "exhaustive": "real trainings, recorded for every network of the space",
}
WITHOUT = " Without: the seeds are too few for one."
STOPPING = (
    "cost, kept: training cost and hypervolume over those of the same trials without stopping. wrong stops: front "
    "members that were stopped."
)
GAP = (
    f"gap, in points: within each of {LIMITS} limits of FLOPs, evenly in log, accuracy of the best network less that "
    "of the one that the search would take; the cheapest network where it has none; the mean over the limits. "
)


def replay_tables(summaries: Sequence[ReplaySummary], seeds: int) -> Iterator[Table]:
    """Per world: what grows and shrinks along the budget, what was stopped, and when the references are reached."""
    for world in dict.fromkeys(row.plan.world for row in summaries):
        yield from _Tables(world, [row for row in summaries if row.plan.world == world], seeds).all()


@dataclass(frozen=True)
class _Tables:
    """Of the plans of one world."""

    world: World
    rows: Sequence[ReplaySummary]
    seeds: int

    def all(self) -> Iterator[Table]:
        shares, references = (
            [f"{share:.0%}" for share in SHARES],
            [_short(each.reference) for each in self.rows[0].reaches],
        )
        volumes = self._cells([row.volumes for row in self.rows])
        held = self._held("±", volumes)
        if held and any("±" not in cell for _, *cells in volumes for cell in cells):
            held += WITHOUT
        yield self._table("hypervolume (x 100) at parts of the budget, mean over seeds", shares, volumes, held)
        if exhaustive := self.world == "exhaustive":
            gaps, regrets = (self._cells([getattr(row, name) for row in self.rows]) for name in ("gaps", "regrets"))
            title = "mean gap to the best networks at parts of the budget, mean over seeds"
            yield self._table(title, shares, gaps, GAP + self._held("±", gaps))
            places = ["the whole band" if place == 1 else f"{place:.0%} of it in log" for place in BUDGETS]
            title = "gap at the end, in points, within the FLOPs of a part of the band"
            yield self._table(title, places, regrets, self._held("±", regrets))
        yield self._stopping()
        reaches = self._cells([row.reaches for row in self.rows])
        title = "percent of the budget after which a row has the final hypervolume of a column"
        yield self._table(title, references, reaches, NEVER + self._held("[ ]", reaches))
        if exhaustive:
            closes = self._cells([row.closes for row in self.rows])
            title = "percent of the budget after which a row has the final mean gap of a column"
            yield self._table(title, references, closes, NEVER + self._held("[ ]", closes))

    def _stopping(self) -> Table:
        cells = [
            [_short(str(row.plan)), f"{row.trials:.0f}{'*' if row.exhausted else ''}",
             f"{row.stopped:.0%}", f"{row.spent:.0%}", f"{row.kept:.2%}", f"{row.missed.mean:.1%}"]
            for row in self.rows
        ]  # fmt: skip
        caption = STOPPING + " *: no network was left." * any(row.exhausted for row in self.rows)
        names = ["trials", "stopped", "cost", "kept", "wrong stops"]
        return self._table("trials, and what their early stops saved and cost", names, cells, caption)

    def _cells(self, values: Sequence[Sequence[object]]) -> list[list[str]]:
        """A row for each plan: its name, then its values."""
        return [[_short(str(row.plan)), *map(str, own)] for row, own in zip(self.rows, values, strict=True)]

    def _held(self, sign: str, rows: Sequence[Sequence[str]]) -> str:
        """That the intervals of these rows' cells hold together; nothing for too few seeds."""
        count = sum(len(cells) for _, *cells in rows)
        return "" if self.seeds < VALUES else f"{sign}: {bonferroni_note(count, 'intervals')}."

    def _table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Table:
        """`rows`: the plan, then a cell a column. The caption begins with what the numbers rest on."""
        seeds = f"{self.seeds} seed{'' if self.seeds == 1 else 's'}"
        rests_on = f"{RESTS_ON[self.world]}; {seeds}. ".capitalize()
        note = f"{rests_on}{caption}".rstrip()
        numbers = (Column(name, justify="right", no_wrap=True) for name in columns)
        table = plain_table(Column("", no_wrap=True), *numbers, title=f"{self.world}: {title}", note=note)
        for row in rows:
            table.add_row(*row)
        return table


def _short(plan: str) -> str:
    """Its sampler, and its stopping rule if it has one."""
    return plan.removesuffix("/none")
