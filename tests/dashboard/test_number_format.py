"""Numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard import number_format
from nas.records.trial import Trial
from tests.dashboard.studies import make_settings


def test_accuracy_is_said_with_split_n_and_seeds() -> None:
    assert number_format.evidence(make_settings("a")) == "validation top-1, n = 360 images, 1 seed"
    assert (
        number_format.evidence(make_settings("a"), (1, 3)) == "validation top-1, n = 360 images, mean of 1 to 3 seeds"
    )
    assert number_format.evidence(make_settings("a"), 2) == "validation top-1, n = 360 images, mean of 2 seeds"
    trials = [Trial(number=i, state="complete", key=key) for i, key in enumerate("aab")]
    assert number_format.seed_range(trials) == (1, 2)
    assert number_format.seed_range([]) == (1, 1)


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s ago"), (300, "5 min ago"), (7300, "2 h ago"), (300_000, "3 days ago")]
)
def test_ago(seconds: int, said: str) -> None:
    assert number_format.ago(datetime.now(UTC) - timedelta(seconds=seconds)) == said
