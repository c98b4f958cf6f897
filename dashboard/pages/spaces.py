"""Two studies of random networks: whether one space is better than the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import streamlit as st

from dashboard.charts import spaces as charts
from dashboard.charts.compare import edf_figure
from dashboard.charts.front import score_label
from dashboard.number_format import evidence
from dashboard.pages.elements import KEPT, captioned_chart, text_box
from dashboard.pages.study_page import say_gone, watch
from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache, study_names
from nas.analysis.baseline import training_differences
from nas.analysis.comparison import FEWEST
from nas.analysis.space_comparison import SpaceComparison
from nas.analysis.space_studies import comparable, compare_studies, is_narrowing, seeds_per_network
from nas.records.settings import BASELINE
from space import InputError

LOOKED = 20  # studies that are read for two of random networks
FIRST = "nas compare-spaces convnext_32 conv2former_32 --data cifar10 --flops 8M..10M"


def spaces_page(cache: StudyCache, runs: Path) -> None:
    names = study_names(runs)
    with st.container(horizontal=True, vertical_alignment="center", key="head", gap="small"):
        st.markdown("**Two spaces**", width="content")
        spot = st.container(horizontal=True, vertical_alignment="center", gap="small")
    st.title("Is one space better than another?", anchor=False)
    pair = _choose(cache, runs, names)
    if len(pair) < 2 or pair[0] == pair[1]:
        _say_none(cache, runs, names)
        st.info("Choose two studies of random networks. A command that trains them:")
        text_box(FIRST)
        return
    read = [cache.read(runs / name) for name in pair]
    with spot:
        watch(
            lambda: all(cache.read(s.folder).same(s) for s in read),
            lambda: max((s.updated for s in read if s.updated), default=None),
        )
    for snapshot in read:
        say_gone(snapshot)
    if unread := [snapshot.name for snapshot in read if not snapshot.settings]:
        st.info(f"{', '.join(unread)} cannot be read: the page Studies says why.")
        return
    _compared(*read)


def _choose(cache: StudyCache, runs: Path, names: Sequence[str]) -> list[str]:
    """Two studies: those that were asked for, also while they are gone, else the best guess. Where another study is
    looked at, a pair with that."""
    state, study = st.session_state, st.session_state.get("study")
    guess = best_pair(cache, runs, names, study)
    asked = [state.get(key) or st.query_params.get(key) for key in ("one", "other")]
    names = [*names, *(name for name in cache.gone(runs) if name in asked and name not in names)]
    for key in ("one", "other"):
        if state.get(key) not in (None, *names):
            del state[key]
    turned, state["spaces_of"] = state.get("spaces_of", study) != study, study
    if turned and guess and not _kin(study) & set(asked) and _kin(study) & set(guess):
        state["one"], state["other"] = guess
    with st.container(horizontal=True, gap="small"):
        chosen = [
            st.selectbox(label, names, names.index(guess[place]) if guess else None, key=key, width=460, **KEPT)
            for place, (label, key) in enumerate((("One", "one"), ("The other", "other")))
        ]
    if study and guess and study not in guess and _is_drawn(cache.read(runs / study)):
        st.text(f"No study here can be compared with {study}.")
    return [name for name in chosen if name]


def best_pair(cache: StudyCache, runs: Path, names: Sequence[str], study: str | None = None) -> tuple[str, str] | None:
    """Two studies of random networks that can be compared, the one that began first in front: with `study` or its
    random search among them, else those with enough networks, of these the latest NAME-a and NAME-b, as nas
    compare-spaces calls them, else the latest. None where there are none."""

    def rank(pair: Sequence[Snapshot]) -> tuple[bool, ...]:
        return _kin(study).isdisjoint(each.name for each in pair), not all(map(_has_enough, pair)), not _is_named(pair)

    pairs = combinations(_drawn(cache, runs, names, study), 2)
    alike = [pair for pair in pairs if not training_differences(*(each.read_settings for each in pair))]
    for pair in sorted(alike, key=rank):
        if comparable(*(each.read_settings for each in pair)):
            first, second = sorted(pair, key=lambda s: s.name if _is_named(pair) else s.read_settings.created)
            return first.name, second.name
    return None


def _drawn(cache: StudyCache, runs: Path, names: Sequence[str], study: str | None) -> list[Snapshot]:
    """Studies of random networks, the latest first; of many, those that are pairs by their names and the latest."""
    pairs = [name for name in names if name[-2:] in ("-a", "-b") and {f"{name[:-2]}-a", f"{name[:-2]}-b"} <= set(names)]
    looked = {*pairs[:LOOKED], *names[:LOOKED], *_kin(study)}
    return list(filter(_is_drawn, (cache.read(runs / name) for name in names if name in looked)))


def _kin(study: str | None) -> set[str]:
    """A study, the random search beside it, and those that nas compare-spaces calls by its name."""
    return {f"{study}{end}" for end in ("", BASELINE, "-a", "-b")} if study else set()


def _is_named(pair: Sequence[Snapshot]) -> bool:
    one, other = sorted(snapshot.name for snapshot in pair)
    return one[:-2] == other[:-2] and (one[-2:], other[-2:]) == ("-a", "-b")


def _has_enough(snapshot: Snapshot) -> bool:
    return len({trial.key or trial.number for trial in snapshot.scored}) >= FEWEST


def _say_none(cache: StudyCache, runs: Path, names: Sequence[str]) -> None:
    """Where there are random networks, that no two studies of them go together."""
    drawn = [snapshot.name for snapshot in _drawn(cache, runs, names, None)]
    if len(drawn) > 1 and best_pair(cache, runs, names) is None:
        st.text(
            f"No two of the {len(drawn)} studies of random networks here ({', '.join(drawn)}) can be compared: they "
            "were not trained alike, or not in the same FLOPs."
        )


def _is_drawn(snapshot: Snapshot) -> bool:
    """Whether its networks tell of its space."""
    settings = snapshot.settings
    return settings is not None and settings.sampler == "random" and settings.stop == "none"


@lru_cache(maxsize=8)
def _comparison(one: Snapshot, other: Snapshot) -> SpaceComparison | str:
    """Or why there is none."""
    try:
        return compare_studies((one.trials, one.read_settings), (other.trials, other.read_settings))
    except InputError as error:
        return str(error)


def _compared(one: Snapshot, other: Snapshot) -> None:
    settings = one.read_settings, other.read_settings
    found, seeds = _comparison(one, other), seeds_per_network(*zip((one.trials, other.trials), settings, strict=True))
    if isinstance(found, str):
        _say_apart(one, other, found)
        return
    words = [found.verdict()]
    if is_narrowing(*(each.build_space() for each in settings)):
        words.append(found.ruling())
    st.text("\n".join(words))
    label = score_label((*one.scored[:1], *other.scored[:1]))
    st.header("Networks at equal FLOPs", anchor=False)
    captioned_chart(edf_figure([found.one.edf, found.other.edf], label), charts.shares_caption(found), "edf")
    st.header("The best of so many", anchor=False)
    captioned_chart(charts.best_of_figure(found, label), charts.best_of_caption(found), "best-of")
    parts = f"each of {found.bins} parts" if found.bins > 1 else "the one part"
    with st.container(key="facts"):
        st.text(
            f"Accuracy: {evidence(settings[0], seeds)}. Random networks, weighted so that {parts} of the FLOPs "
            f"counts the same in both (arXiv 1905.13214). p: of {found.permutations:,} permutations within these "
            "parts. Shade: 95% of a bootstrap over networks, at each number by itself; none for a best of more than a "
            "tenth of them."
        )


def _say_apart(one: Snapshot, other: Snapshot, why: str) -> None:
    """Why two studies cannot be compared: what they do not have alike, each in a line, or what else is wrong."""
    settings = one.read_settings, other.read_settings
    apart = training_differences(*settings)
    if not apart or not all(map(_is_drawn, (one, other))):
        st.info("These two cannot be compared:")
        text_box(why)
        return
    st.info(f"These two cannot be compared: they were not trained alike. {one.name} / {other.name}:")
    text_box("\n".join(f"{field}: {mine} / {others}" for field, mine, others in apart))
