"""Studies that an older release wrote: they stay readable, and cost what that release counted."""

from __future__ import annotations

from pathlib import Path

from dashboard.charts.blocks import hover
from dashboard.frames import parts_frame
from nas.analysis.pareto import pareto_front
from nas.analysis.wording import describe
from nas.cli.tables import trials_table
from nas.storage.reader import Reader
from space import cost

VERSION_1 = Path(__file__).parents[1] / "older" / "version_1"  # 30 networks on CIFAR-10; without curves and weights


def test_networks_of_version_1_cost_what_was_recorded() -> None:
    reader = Reader(VERSION_1)
    assert reader.settings.version == 1
    trials = [trial for trial in reader.trials() if trial.arch]
    assert len(trials) >= 30
    for trial in trials:
        counted = cost(trial.to_arch(), reader.settings.task)
        assert (counted.flops, counted.params, counted.activations) == (trial.flops, trial.params, trial.activations)


def test_a_study_of_version_1_is_shown() -> None:
    reader = Reader(VERSION_1)
    trials = reader.trials()
    first = pareto_front(trials)[0]
    assert trials_table(trials, reader.settings).row_count == len(trials)
    assert describe(first.to_arch()) == "stem 4 | c2x32k5 m1x64k5 c4x128k5 m1x256k9 | ln relu e4"
    assert "<br>convnext 2 x 32, kernel 5, expansion 4.0, ln, relu<br>" in hover(first)
    assert parts_frame(first.to_arch(), reader.settings.task)["blocks"].tolist() == [
        "patchify", "2 x convnext", "1 x modulation", "4 x convnext", "1 x modulation", "linear",
    ]  # fmt: skip
