"""Random networks of two spaces, a study of each, trained alike: what `nas compare-spaces` runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from nas.data.sources import name_of_source
from nas.records.study_name import check_name, name_of
from nas.searching.ask import trial_seed
from nas.searching.launch import run_search
from nas.searching.plan import Rival, SearchPlan
from space import Band, Budget, Space


def run_comparison(
    one: Space, other: Space, source: str, band: Band, plan: SearchPlan, console: Console
) -> tuple[tuple[Path, Path], bool]:
    """Runs or resumes both studies up to the plan's trials each, which is said for both before anything trains. Their
    folders, and False if it was asked to stop before, or if only the plan was to be said. `plan.name`: of the pair."""
    first, second = study_names(one, other, source, band, plan)
    own, others = (trial_seed(plan.seed, place) for place in (0, 1))  # of its own: else equal axes draw equal networks
    whole = replace(plan, name=first, seed=own, sampler="random", stop="none", rival=Rival(other, second, others))
    _, finished = run_search(one, source, Budget(flops=band), whole, console)
    return (plan.runs / first, plan.runs / second), finished


def study_names(one: Space, other: Space, source: str, band: Band, plan: SearchPlan) -> tuple[str, str]:
    """`compare-digits-narrowed-digits-200K-4M-a` and `...-b`: the same command finds the same studies."""
    name = plan.name
    if name is None:
        words = ["compare", one.name, other.name, name_of_source(source), *str(band).split("..")]
        words += [plan.metric] * (plan.metric != "accuracy") + [f"seed{plan.seed}"] * (plan.seed != 0)
        name = name_of(words, room=2)
    return check_name(f"{name}-a"), check_name(f"{name}-b")
