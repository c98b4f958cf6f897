"""Hypervolume and workers over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dashboard.charts import progress
from nas.analysis.history import Span, Step
from nas.analysis.wording import duration
from nas.records.trial import Trial
from tests.dashboard.charts.figures import as_plotly

STEPS = [Step(i, 10_000 * (i + 1), float(i), i / 2, volume, 0.5) for i, volume in enumerate([0.0, 0.4, 0.4, 0.6, 0.6])]
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def test_growth_begins_with_a_front_and_keeps_where_it_rises() -> None:
    figure = progress.growth_figure(STEPS, "images", STEPS[:3])
    as_plotly(figure)
    own, random = figure["data"]
    assert (own["x"], own["y"]) == ([20_000, 40_000, 50_000], [0.4, 0.6, 0.6])
    assert (random["line"]["dash"], random["x"]) == ("dash", [20_000, 30_000])
    assert "after %{x:,.0f} training images" in own["hovertemplate"]
    hours = progress.growth_figure(STEPS, "clock")["data"][0]
    assert hours["x"] == [0.5, 1.5, 2.0]
    assert "after %{x:,.6~g} hours" in hours["hovertemplate"]
    told = progress.growth_caption(STEPS, STEPS[:3])
    assert told == (
        "Hypervolume is 0.6000 after 50,000 training images. It reached 99% of that after 40,000 and last rose with "
        "trial 3, after 40,000. Random search has 0.4000 after 30,000 images; this search reached that after 20,000."
    )
    assert progress.growth_caption(STEPS[:3], STEPS).endswith(
        "0.6000 after 50,000 images; this search has not reached that."
    )
    assert progress.growth_caption([]).startswith("No front yet")
    assert progress.growth_caption(STEPS[1:2]).startswith("Hypervolume is 0.4000 after 20,000 training images")


def test_timeline_has_a_row_a_worker_and_a_bar_a_trial() -> None:
    spans = [
        Span(0, "a:1", "complete", BEGUN, BEGUN + timedelta(seconds=60)),
        Span(1, "b:2", "stopped", BEGUN, BEGUN + timedelta(seconds=30)),
        Span(2, "b:2", "running", BEGUN + timedelta(seconds=30), BEGUN + timedelta(seconds=60)),
    ]
    figure = progress.timeline_figure(spans)
    as_plotly(figure)
    bars = {t["name"]: t for t in figure["data"]}
    assert bars["complete"]["x"] == [60_000]
    assert bars["running"]["base"] == [(BEGUN + timedelta(seconds=30)).isoformat()]
    assert len({t["marker"]["pattern"]["shape"] for t in figure["data"]}) == 3, "not colours alone"
    told = progress.timeline_caption(spans)
    assert told == "2 workers at once, training 100% of their time. Trials: 1 complete, 1 stopped, 1 running."
    assert progress.timeline_caption([]) == "No worker is on record."
    assert progress.timeline_caption(spans * 200).endswith("The chart shows the latest 500 trials.")


def test_a_study_that_was_gone_on_with_had_one_worker_at_a_time() -> None:
    def span(number: int, worker: str, begun: float, ended: float) -> Span:
        return Span(number, worker, "complete", BEGUN + timedelta(minutes=begun), BEGUN + timedelta(minutes=ended))

    resumed = [span(0, "a:1", 0, 10), span(1, "a:1", 10, 20), span(2, "a:2", 20, 30), span(3, "a:3", 300, 310)]
    assert progress.timeline_caption(resumed).startswith(
        "1 worker at a time, 3 one after the other, training 100% of their time. "
    )
    idle = [span(0, "a:1", 0, 10), span(1, "a:1", 30, 40)]
    assert progress.timeline_caption(idle).startswith("1 worker, training 50% of its time. ")
    later = [*resumed, span(4, "a:4", 305, 310)]
    assert progress.timeline_caption(later).startswith("2 workers at once at most, 4 in all, training")
    moment = [span(0, "a:1", 5, 5)]
    assert progress.timeline_caption(moment).startswith("1 worker. Trials: 1 complete.")


def test_losses_and_times_in_words() -> None:
    trials = (Trial(number=0, state="stopped", images=10_000), Trial(number=1, state="stopped", images=10_000),
              Trial(number=2, state="stopped", images=20_000), Trial(number=3, state="failed"))  # fmt: skip
    assert progress.losses(trials) == [
        "Trials stopped early: 2 after 10K images, 1 after 20K images.", "Failed: 1 trial. The Trials page lists the reasons.",
    ]  # fmt: skip
    assert progress.losses(()) == ["No trial was stopped, interrupted or failed."]
    for seconds, words in ((5, "5 s"), (600, "10 min"), (12_000, "3 h 20 min"), (400_000, "4 days")):
        assert duration(seconds) == words
