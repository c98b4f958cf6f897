"""What is worked out of a study's trials, once per snapshot, and the random search beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dashboard.charts.front_colours import telling
from dashboard.snapshot import Snapshot, once
from dashboard.study_cache import StudyCache
from nas.analysis.against_front import ReferenceResult, reference_results
from nas.analysis.baseline import study_beside, why_not
from nas.analysis.cost_axes import CostAxis, busy_alone, cost_axes, cost_of
from nas.analysis.design_choices import Traits, traits_of, varied, within
from nas.analysis.history import Step, hypervolume_history
from nas.analysis.importance import Cell, Importance, cells, importances, thirds
from nas.analysis.leads import Lead, leads, leads_words
from nas.analysis.pareto import Outcome, merged, outcome
from nas.analysis.seed_noise import Floats, NetworkResults, networks
from nas.latency.measurements import joined
from nas.records.settings import BASELINE
from nas.records.trial import Trial
from space import Band


@once
def networks_of(snapshot: Snapshot) -> NetworkResults:
    """The networks of a study, with what its repeats tell of their noise; of a part of one, what those of all do."""
    noise = networks_of(snapshot.whole).noise if snapshot.whole else None
    return networks(snapshot.trials, cost=cost_of(snapshot.read_settings), noise=noise)


@once
def narrowed(snapshot: Snapshot, filters: tuple[tuple[str, tuple[str, ...]], ...]) -> Snapshot:
    """A study as if its space had been narrowed to some choices of some axes: of all its trials those whose network has
    one of them in every stage."""
    if not filters:
        return snapshot
    left = tuple(trial for trial in snapshot.trials if trial.arch and within(design_of(trial), dict(filters)))
    return replace(snapshot, trials=left, whole=snapshot)


@once
def references_of(snapshot: Snapshot) -> list[ReferenceResult]:
    """References beside its front, by rising FLOPs."""
    return reference_results(snapshot.references, networks_of(snapshot), snapshot.read_settings.band)


@once
def outcome_of(snapshot: Snapshot) -> Outcome:
    """A study's front and what it took."""
    return outcome(snapshot.trials, snapshot.read_settings)


def baseline(cache: StudyCache, snapshot: Snapshot) -> Snapshot | None:
    """The random search beside a study, where there is one that trained alike, can be read, or could before it was
    gone, and has a front."""
    folder = study_beside(snapshot.folder)
    if folder is None and cache.has(before := snapshot.folder.with_name(f"{snapshot.name}{BASELINE}")):
        folder = before
    other = cache.read(folder) if folder else None
    if not (snapshot.settings and other and other.settings and other.front):
        return None
    return None if why_not(snapshot.settings, other.settings) else other


@once
def leads_over(snapshot: Snapshot, beside: Snapshot) -> list[Lead]:
    """Where the random search beside a study is ahead of its front."""
    return leads(snapshot.front, beside.front, cost_of(snapshot.read_settings).of)


def ahead_sentence(snapshot: Snapshot, beside: Snapshot) -> str:
    """Where random search is ahead; nothing where it is not."""
    return leads_words(leads_over(snapshot, beside), "Random search", cost_of(snapshot.read_settings))


@once
def cost_axes_of(snapshot: Snapshot, beside: Snapshot | None) -> dict[str, CostAxis]:
    """What accuracy can be set against, by name, first what the study minimises; latencies hold for the networks of the
    baseline as well."""
    own = cost_of(snapshot.read_settings)
    return {own.name: own} | cost_axes(snapshot.scored, joined(s.measured for s in (snapshot, beside) if s))


@once
def shut_out(snapshot: Snapshot, beside: Snapshot | None) -> list[str]:
    """What was measured and is no measure, in sentences."""
    return busy_alone(snapshot.scored, joined(s.measured for s in (snapshot, beside) if s))


@once
def means_of(snapshot: Snapshot) -> tuple[Trial, ...]:
    """Each scored network once, at the mean of its seeds."""
    return tuple(merged(snapshot.scored))


@once
def designs_of(snapshot: Snapshot) -> tuple[Traits, ...]:
    """What was chosen in each of these networks."""
    return tuple(map(design_of, means_of(snapshot)))


_KNOWN: dict[int, tuple[object, Traits]] = {}  # by identity: a reader keeps the trials that have ended


def design_of(trial: Trial) -> Traits:
    """What was chosen in a trial's network: worked out once, and not at every update of a study of thousands."""
    found = _KNOWN.get(id(trial.arch))
    if found is None or found[0] is not trial.arch:
        if len(_KNOWN) > 100_000:
            _KNOWN.clear()
        found = _KNOWN[id(trial.arch)] = (trial.arch, traits_of(trial.arch))
    return found[1]


@once
def varied_of(snapshot: Snapshot) -> dict[str, list[str]]:
    """The axes in which the scored networks differ, with their choices."""
    return varied(designs_of(snapshot))


@once
def telling_of(snapshot: Snapshot) -> str:
    """What colours say of a study's networks unless a person chooses."""
    return telling(snapshot.scored, varied_of(snapshot))


@once
def history_of(snapshot: Snapshot) -> tuple[Step, ...]:
    """How the study went."""
    return tuple(hypervolume_history(snapshot.trials, snapshot.read_settings))


@once
def networks_table(snapshot: Snapshot) -> tuple[list[Traits], Floats, Floats]:
    """Designs, accuracies and FLOPs of the networks, one per network."""
    rows = [row.trial for row in networks_of(snapshot).rows.values()]
    accuracy = np.array([trial.score for trial in rows], dtype=float)
    return [design_of(trial) for trial in rows], accuracy, np.array([trial.flops for trial in rows], dtype=float)


@once
def importances_of(snapshot: Snapshot) -> list[Importance]:
    return importances(*networks_table(snapshot))


@once
def cells_of(snapshot: Snapshot, axis: str) -> tuple[list[Cell], list[Band]]:
    """Accuracy by choice of that axis, and the parts of the budget."""
    designs, accuracy, flops = networks_table(snapshot)
    bands = thirds(snapshot.read_settings.band, flops)
    return cells(axis, varied_of(snapshot)[axis], designs, accuracy, flops, bands), bands
