"""Where another study, such as random search beside it, is ahead of a study's front: at which limits of the cost the
best that it has within them is more accurate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from nas.analysis.cost_axes import CostAxis
from nas.analysis.pareto import flops, pareto_front, score, split_error
from nas.records.trial import Trial

ONE_RUN = "One run each: seeds may tell otherwise."
FEW = 3  # ranges that are told one by one


@dataclass(frozen=True, slots=True)
class Lead:
    """A range of limits, from `low` on to below `high`; None: without an end. `rival` and `member`: the most accurate
    networks within one of them, of the other study and of this one, where they are farthest apart."""

    low: float
    high: float | None
    rival: Trial
    member: Trial

    @property
    def points(self) -> float:
        """Of the score (0 to 1)."""
        return score(self.rival) - score(self.member)


def points_words(points: float) -> str:
    """Of a score (0 to 1), as the most that there is: `up to 1.4 points`, `less than 0.1 points`."""
    return f"up to {100 * points:.1f} points" if points >= 0.0005 else "less than 0.1 points"


def leads(
    front: Sequence[Trial], rivals: Iterable[Trial], cost: Callable[[Trial], float | None] | None = None
) -> list[Lead]:
    """Of the other study's trials on a front, by rising cost (FLOPs by default). Limits below the cheapest of the
    front, within which this study has nothing, are not looked at."""
    of = cost or flops
    others, found, leading = pareto_front(rivals, cost), list[Lead](), False

    def best_within(limit: float, trials: Sequence[Trial]) -> Trial | None:
        return next((trial for trial in reversed(trials) if (of(trial) or 0) <= limit), None)

    for limit in sorted({of(trial) or 0 for trial in (*front, *others)}):
        member, rival = best_within(limit, front), best_within(limit, others)
        if member is None:
            continue
        if rival is None or score(rival) <= score(member):
            if leading:
                found[-1] = replace(found[-1], high=limit)
            leading = False
        elif not leading:
            found.append(Lead(limit, None, rival, member))
            leading = True
        elif score(rival) - score(member) > found[-1].points:
            found[-1] = replace(found[-1], rival=rival, member=member)
    return found


def leads_words(found: Sequence[Lead], rival: str, over: CostAxis) -> str:
    """In sentences; nothing where there is none."""
    if not found:
        return ""
    most = max(found, key=lambda lead: lead.points)
    sides = [
        f"trial {each.number} ({score(each):.2%} at {over.words(over.on(each))})" for each in (most.rival, most.member)
    ]
    images = 0 if most.rival.counts is None else sum(most.rival.counts.images)
    error = split_error(most.rival, images) if images else 0.0
    split = f" The split alone has a standard error of {100 * error:.2f} points." * (most.points < 2 * error)
    return (
        f"{rival} is ahead {_where(found, over)}: its best network within such a limit is "
        f"{points_words(most.points)} more accurate: {sides[0]} against {sides[1]}. {ONE_RUN}{split}"
    )


def _where(found: Sequence[Lead], over: CostAxis) -> str:
    """`from 1M to 2M and from 3.25M FLOPs on`."""
    if len(found) > FEW:
        last = found[-1]
        return f"in {len(found)} ranges {_range(replace(last, low=found[0].low), over)}"
    ranges = [_range(lead, over) for lead in found]
    return " and ".join(filter(None, [", ".join(ranges[:-1]), ranges[-1]]))


def _range(lead: Lead, over: CostAxis) -> str:
    if lead.high is None:
        return f"from {over.said(lead.low)} on"
    digits = 15 if over.words(lead.low) == over.words(lead.high) else 3
    return f"from {over.words(lead.low, digits)} to {over.said(lead.high, digits)}"
