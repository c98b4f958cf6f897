"""The front in sentences, with its numbers: the text beside the chart and its `aria-label`."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.charts.front import BASELINE, bend
from dashboard.number_format import count, percent
from nas.analysis.chance import front_chance
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_note, too_few
from nas.analysis.pareto import Outcome, by_network, pareto_front, score
from nas.analysis.seed_noise import NetworkResults
from nas.records.scores import WORDS
from nas.records.settings import Settings
from nas.records.trial import Trial


def front_caption(
    trials: Sequence[Trial],
    front: Sequence[Trial],
    found: NetworkResults | None = None,
    baseline: Outcome | None = None,
) -> str:
    """The chart in sentences, with its numbers, what its bars are, and the baseline; also its alt text. The front is
    over the cost of `found`, FLOPs without it."""
    over = found.cost if found else FLOPS
    return " ".join(
        filter(None, [_front_sentence(trials, front, over), _noise_sentence(found), _baseline_sentence(baseline)])
    )


def measure_caption(
    over: CostAxis, front: Sequence[Trial], beside: Sequence[Trial] = (), found: NetworkResults | None = None
) -> str:
    """The caption of a front over another cost, or of a filtered one. `front`: its networks by rising cost, at least
    one; `beside`: the baseline's trials; `found`: seed statistics of the study."""
    other = pareto_front(beside, over.of)
    said = [f"{count(len(front), 'network')} on the front over {over.name}: {ends(over, front)}."]
    if over.quartiles:
        said.append("Horizontal bars: quartiles of the latency.")
    if found and found.noise and found.noise.known:
        said.append(f"{'Vertical bars' if over.quartiles else 'Bars'}: 95% interval of each network's mean over seeds.")
    if other:
        said.append(f"Dashed: {BASELINE}, {ends(over, other)}.")
    return " ".join([*said, *([over.note] if over.note else [])])


def chance_sentence(front: Sequence[Trial], networks: int, settings: Settings) -> str:
    """That the best of a front is no better than a guess; nothing where it is."""
    words = front_chance(front, networks, settings)
    return words and f"{words[0].upper()}{words[1:]}."


def below_words(networks: int, below: Sequence[Trial]) -> str:
    """How many of the networks the chart's y axis leaves out; nothing where it has all."""
    if not below:
        return ""
    lowest = percent(min(score(trial) for trial in below))
    lie = "lies" if len(below) == 1 else "lie"
    return f"{len(below):,} of {count(networks, 'network')} {lie} below the chart, down to {lowest}."


def ends(over: CostAxis, front: Sequence[Trial]) -> str:
    first, last = (f"{percent(t.score)} at {over.words(over.on(t))}" for t in (front[0], front[-1]))
    return first if len(front) == 1 else f"from {first} to {last}"


def _noise_sentence(found: NetworkResults | None) -> str:
    if found is None or found.noise is None:
        return ""
    if not found.noise.known:
        return f"No bars: {too_few(found.noise.freedom, 'further seed', FREEDOM)}."
    ties = sum(row.tie is not None for row in found.front)
    said = f" {count(ties, 'member')} of the front cannot be told from the next cheaper one"
    tied = f"{said}, {bonferroni_note(len(found.front) - 1, 'neighbours')}." if ties else ""
    pairs = bonferroni_note(found.pairs, "pairs of networks")
    apart = f" {len(found.apart)} are told from one another, {pairs}." if len(found.apart) > 1 else ""
    return (
        "Bars: 95% interval of each network's mean over seeds; seed noise pooled, "
        f"{100 * found.noise.sd:.2f} points.{tied}{apart}"
    )


def _baseline_sentence(baseline: Outcome | None) -> str:
    if baseline is None:
        return ""
    return (
        f"Dashed: {BASELINE}, {baseline.front} of {count(baseline.networks, 'network')}, hypervolume "
        f"{baseline.hypervolume:.3f}, after {baseline.images:,} training images and {baseline.seconds:,.0f} s."
    )


def _front_sentence(trials: Sequence[Trial], front: Sequence[Trial], over: CostAxis) -> str:
    groups = {group[0].number: len(group) for group in by_network(trials)}  # seeds of each network
    finished = len(groups)
    if not front:
        return f"No finished network yet, of {count(len(trials), 'trial')}."
    best = front[-1]
    seeds = f" ({count(groups[best.number], 'seed')})" if max(groups.values()) > 1 else ""
    what = "" if best.metric == "accuracy" else f" {WORDS[best.metric]}"
    reaches = f"reaches {percent(best.score)}{what}{seeds} at {over.said(over.on(best))}"
    if finished == 1:
        return f"1 network finished, alone on the front: it {reaches}."
    if len(front) == 1:
        return f"1 of {finished:,} networks is on the front: it {reaches}."
    middle = bend(front, over)
    last = "" if middle is None else f"; at the knee, {percent(middle.score)} at {over.words(over.on(middle))}"
    return f"{len(front):,} of {finished:,} networks are on the front: the best {reaches}{last}."


def other_seed(found: NetworkResults) -> str:
    """How much another seed of a network with one would differ, as far as the study's repeats tell."""
    if found.noise is None:
        return (
            "One seed: seed noise is not known. The study's command with --repeats 10 trains further seeds of networks "
            "that are, or may be, on the front."
        )
    if not found.noise.known:
        return f"One seed. Seed noise: {too_few(found.noise.freedom, 'further seed', FREEDOM)}."
    rest = f"{count(found.noise.freedom, 'further seed')} of this study's networks"
    return f"One seed. Standard deviation over seeds, from {rest}: {100 * found.noise.sd:.2f} points."
