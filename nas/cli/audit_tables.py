"""What an audit found, as tables for the terminal: brief training's ranks against long training's. Needs no torch."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from nas.analysis.multiple_comparisons import bonferroni_note, too_few
from nas.analysis.plain_table import numbers, plain_table
from nas.analysis.rank_agreement import FEWEST, NEEDED, TAUS, Agreement, Tau
from nas.analysis.wording import CONVENTION, signed
from nas.records.scores import SHORT
from nas.records.settings import Settings


def agreement_table(found: Agreement, images: int, settings: Settings) -> Table:
    """Kendall's tau with long training, of brief training and of FLOPs alone."""
    title = (
        f"{settings.name}: {found.networks} networks after {settings.build_recipe().length:,} images, as in the study, "
        f"and after {images:,}"
    )
    note = (
        f"Kendall's tau-b with validation {SHORT[settings.metric]} after {images:,} images "
        f"(n = {settings.data.validation:,} images, 1 seed each, not the study's). {_tau_words(found)} "
        f"{found.verdict()} {found.bias()} {CONVENTION}."
    )
    table = plain_table("ranked by", *numbers("pairs", "tau", "interval"), title=title, note=escape(note))
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
        "change: points that long training adds to the network with the most blocks of the choice, less "
        "what it adds to that with the fewest, at equal FLOPs (depth, width: per doubling). Intervals: "
        f"{bonferroni_note(len(found.effects), 'intervals')}; too few: fewer networks than an interval needs. "
        "Choices that these networks have only together are one row."
    )
    table = plain_table("axis", "choice", *numbers("change", "interval"), "by brief training", note=note)
    for row in found.effects:
        change, interval = "", "too few"
        if row.low is not None and row.high is not None:
            change, interval = signed(100 * row.change, 1), f"{signed(100 * row.low, 1)} to {signed(100 * row.high, 1)}"
        table.add_row(row.axis, row.choice, change, interval, row.rated)
    return table
