"""Two studies of random networks: whether one space is better than the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import streamlit as st

from dashboard.charts import spaces as charts
from dashboard.charts.compare import edf_figure
from dashboard.charts.front import score_label
from dashboard.number_format import ago, evidence
from dashboard.pages.elements import KEPT, captioned_chart, text_box
from dashboard.pages.study_page import say_gone, watch
from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache, study_names
from nas.analysis.space_comparison import SpaceComparison
from nas.analysis.space_studies import compare_studies, is_narrowing, seeds_per_network
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
        st.info("Choose two studies of random networks. A command that trains them:")
        text_box(FIRST)
        return
    read = [cache.read(runs / name) for name in pair]
    with spot:
        watch(
            lambda: all(cache.read(s.folder).same(s) for s in read),
            lambda: f"updated {ago(max((s.updated for s in read if s.updated), default=None))}",
        )
    for snapshot in read:
        say_gone(snapshot)
    if unread := [snapshot.name for snapshot in read if not snapshot.settings]:
        st.info(f"{', '.join(unread)} cannot be read: the page Studies says why.")
        return
    _compared(*read)


def _choose(cache: StudyCache, runs: Path, names: Sequence[str]) -> list[str]:
    """Two studies: those that were asked for, also while they are gone, else the best guess."""
    guess = best_pair(cache, runs, names)
    asked = [st.session_state.get(key) or st.query_params.get(key) for key in ("one", "other")]
    names = [*names, *(name for name in cache.gone(runs) if name in asked and name not in names)]
    for key in ("one", "other"):
        if st.session_state.get(key) not in (None, *names):
            del st.session_state[key]
    with st.container(horizontal=True, gap="small"):
        chosen = [
            st.selectbox(label, names, names.index(guess[place]) if guess else None, key=key, width=460, **KEPT)
            for place, (label, key) in enumerate((("One", "one"), ("The other", "other")))
        ]
    return [name for name in chosen if name]


def best_pair(cache: StudyCache, runs: Path, names: Sequence[str]) -> tuple[str, str] | None:
    """The latest NAME-a and NAME-b of random networks, as nas compare-spaces calls them, else the latest two of random
    networks, the one that began first in front. None where there are none."""
    for name in names:
        pair = f"{name[:-2]}-a", f"{name[:-2]}-b"
        if name in pair and set(pair) <= set(names) and all(_is_drawn(cache.read(runs / each)) for each in pair):
            return pair
    drawn = list(filter(_is_drawn, (cache.read(runs / name) for name in names[:LOOKED])))
    if len(drawn) < 2:
        return None
    first, second = sorted(drawn[:2], key=lambda s: s.read_settings.created)
    return first.name, second.name


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
        st.info("These two cannot be compared:")
        text_box(found)
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
    with st.container(key="facts"):
        st.text(
            f"Accuracy: {evidence(settings[0], seeds)}. Random networks, weighted so that each of "
            f"{found.bins} part{'s' * (found.bins > 1)} of the FLOPs counts the same in both (arXiv 1905.13214). p: of "
            f"{found.permutations:,} permutations within these parts. Shade: 95% of a bootstrap over networks, at each "
            "number by itself; none for a best of more than a tenth of them."
        )
