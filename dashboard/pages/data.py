"""What the networks are trained on, as it was seen before the first of them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.pages.elements import table, text_box
from dashboard.pages.export import absent
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from nas.records.look import UNEVEN, Look
from nas.records.settings import SAMPLES, Settings


def data_page(scene: Scene) -> None:
    card = scene.settings.data
    if card.look is None:
        st.info("This study was started by a release that did not look at its data: only sizes are known.")
        st.text(f"train {card.train:,}, validation {card.validation:,}, test {card.test:,} images of {card.name}")
        return
    if warnings := card.look.warnings():
        st.warning("Worth a look before a number is trusted:")
        text_box("\n".join(warnings))  # names of files may be anything
    st.header("Classes and splits", anchor=False)
    table(_counts(card.look), "classes")
    with st.container(key="facts"):
        for line in _facts(scene.settings, card.look):
            st.text(line)
    if samples := _samples(scene.snapshot):
        st.header("As the networks see them", anchor=False)
        words = "The first training images of each class, decoded, cropped and resized"
        st.text(words)  # a caption of st.image has too little contrast
        st.image(samples, alt=words)
    else:
        away = f", and there is no folder {card.source} on this machine to read it from" if absent(card.source) else ""
        st.text(
            f"No sample pictures: the study has no {SAMPLES}, which a search draws when it has read the data{away}."
        )


@once
def _samples(snapshot: Snapshot) -> bytes | None:
    """The picture, which stays where the study's folder is gone."""
    path = snapshot.folder / SAMPLES
    return path.read_bytes() if path.exists() else None


def _counts(look: Look) -> pd.DataFrame:
    """A row for each class, the most frequent first, and a column for each split."""
    frame = pd.DataFrame(look.counts).rename_axis("class").reset_index()
    return frame.sort_values("train", ascending=False, kind="stable")


def _facts(settings: Settings, look: Look) -> list[str]:
    came = [f"{split}: {count:,} images, {look.came_from[split]}" for split, count in look.totals().items()]
    lines = [*came, look.pictures()]
    if look.imbalance() >= UNEVEN:
        lines.append(look.imbalanced())
    if augment := settings.data.augment:
        lines.append(augment.line(settings.build_recipe(), look.mirror))
    return lines
