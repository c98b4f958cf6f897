"""Tables and wording."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard import words
from dashboard.tables import CERTAINTY, arrow, csv, front_frame, parts_frame, table, trials_frame
from nas.certainty import networks
from nas.trials import Trial
from space import Arch, Task, cost
from tests.dashboard.studies import SPACE, TASK, make_settings

ARCH = SPACE.draw(random.Random(5), TASK)


def test_trials_frame_has_a_row_per_trial_by_number() -> None:
    trials = [
        Trial(number=0, state="complete", accuracy=0.967, flops=3_100_000, params=10, arch=ARCH.to_dict(), seconds=2.0),
        Trial(number=1, state="failed", reason="=HYPERLINK(1)"),
    ]
    frame = pd.DataFrame(trials_frame(trials, {0}))
    assert list(frame["trial"]) == [0, 1]
    assert list(frame["front"]) == ["●", ""]
    assert frame["accuracy, 1 seed"][0] == pytest.approx(96.7)
    assert frame["FLOPs"][0] == 3_100_000
    assert frame["depth"][0] == "-".join(str(stage.depth) for stage in ARCH.stages)
    assert frame["reason"][1] == "'=HYPERLINK(1)"
    assert frame[["accuracy, 1 seed", "FLOPs", "params", "seconds"]].isna().iloc[1].all()


def test_trials_frame_tells_of_seeds_where_a_network_was_repeated() -> None:
    accuracies = [("a", 0.90), ("b", 0.95), ("a", 0.92), ("a", 0.90), ("a", 0.92), ("a", 0.91)]
    trials = [
        Trial(number=i, state="complete", key=key, accuracy=value, flops=1_000_000 + ord(key))
        for i, (key, value) in enumerate(accuracies)
    ]
    stopped = Trial(number=6, state="stopped", key="c", flops=2_000_000, reason="below its rivals")
    plain = list(trials_frame(trials[:2], (), networks(trials[:2])))
    found = networks(trials)
    frame = pd.DataFrame(trials_frame([*trials, stopped], (), found))
    assert [name for name in frame.columns if name not in plain] == CERTAINTY
    assert list(frame.columns)[3:5] == ["FLOPs", "mean"]
    assert list(frame["accuracy, 1 seed"][:3]) == pytest.approx([90, 95, 92]), "each trial's own"
    assert list(frame["mean"][:3]) == pytest.approx([91, 95, 91])
    assert list(frame["seeds"][:3]) == [5, 1, 5]
    assert found.noise
    assert frame["± 95%"][1] == pytest.approx(100 * (found.noise.half_width(1) or 0))
    assert frame["on front"][0] == pytest.approx(100 * (found.rows[0].probability or 0))
    assert frame[CERTAINTY].isna().iloc[6].all()
    assert frame["state"][6] == "stopped"
    few = networks(trials[:3])
    frame = pd.DataFrame(trials_frame(trials[:3], (), few))
    assert frame["± 95%"].isna().all(), "one further seed is too few for intervals"
    assert list(frame["seeds"]) == [2, 1, 2]
    assert "on front" not in front_frame([few.rows[1].trial], few, chances=False)


def test_trials_frame_of_none_has_the_same_columns() -> None:
    assert list(trials_frame([], ())) == list(trials_frame([Trial(number=0, state="failed")], ()))


def test_a_table_is_sent_as_arrow_with_its_types() -> None:
    sent = arrow({
        "whole": [1, None], "share": [0.5, float("nan")], "name": ["<b>", None], "course": [[0.1, 2.0], []],
        "mixed": [1, "a\nb"], "large": [2**70, 1], "broken": ["\ud800", "ü"], "none": [None, None], "when": ["2026-01-02", ""],
    })  # fmt: skip
    assert {field.name: str(field.type) for field in sent.schema} == {
        "whole": "int64", "share": "double", "name": "string", "course": "list<item: double>", "mixed": "string",
        "large": "string", "broken": "string", "none": "double", "when": "string",
    }  # fmt: skip
    assert sent.to_pylist() == [
        {"whole": 1, "share": 0.5, "name": "<b>", "course": [0.1, 2.0], "mixed": "1", "large": str(2**70),
         "broken": "?", "none": None, "when": "2026-01-02"},
        {"whole": None, "share": None, "name": None, "course": [], "mixed": "a\nb", "large": "1", "broken": "ü",
         "none": None, "when": ""},
    ]  # fmt: skip


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert arrow({"trial": [], "reason": []}).column_names == ["trial", "reason"]
    assert arrow(table([])).num_columns == 0


def test_csv_has_no_formula_and_leaves_empty_cells_empty() -> None:
    assert csv({"a": [1, None], "reason, why": ["'=1+1", 'said "no", \n']}) == (
        'a,"reason, why"\n1,\'=1+1\n,"said ""no"", \n"\n'
    )


def test_no_table_loads_pandas() -> None:
    code = "import sys; from dashboard.tables import arrow; arrow({'a': [1, None], 'b': ['x', '']}); "
    subprocess.run([sys.executable, "-c", code + "sys.exit('pandas' in sys.modules)"], check=True, timeout=60)


def test_parts_frame_sums_to_the_cost() -> None:
    frame, total = pd.DataFrame(parts_frame(ARCH, TASK)), cost(ARCH, TASK)
    assert list(frame["part"]) == ["stem", *(f"stage {i + 1}" for i in range(len(ARCH.stages))), "head"]
    assert (frame["FLOPs"].sum(), frame["params"].sum()) == (total.flops, total.params)
    assert frame["FLOPs %"].sum() == pytest.approx(100)
    assert list(frame["blocks"][1:-1]) == [f"{stage.depth} x {stage.block.name}" for stage in ARCH.stages]
    assert list(frame["kernel"][1:-1]) == [stage.to_dict()["kernel"] for stage in ARCH.stages]


def test_parts_frame_of_a_network_of_other_parts() -> None:
    frame = pd.DataFrame(parts_frame(Arch.load("resnet50"), Task()))
    assert list(frame["blocks"]) == [
        "resnet", "3 x bottleneck", "4 x bottleneck", "6 x bottleneck", "3 x bottleneck", "linear",
    ]  # fmt: skip
    assert list(frame["width"][:-1]) == [64, 64, 128, 256, 512]
    assert list(frame["channels"]) == [64, 256, 512, 1024, 2048, 1000]
    assert list(frame["norm"]) == ["bn"] * 5 + [""]


def test_accuracy_is_said_with_split_n_and_seeds() -> None:
    assert words.evidence(make_settings("a")) == "validation top-1, n = 360 images, 1 seed"
    assert words.evidence(make_settings("a"), (1, 3)) == "validation top-1, n = 360 images, mean of 1 to 3 seeds"
    assert words.evidence(make_settings("a"), 2) == "validation top-1, n = 360 images, mean of 2 seeds"
    trials = [Trial(number=i, state="complete", key=key) for i, key in enumerate("aab")]
    assert words.seeds_per_network(trials) == (1, 2)
    assert words.seeds_per_network([]) == (1, 1)


def test_standard_error_is_the_binomial_one() -> None:
    rng = random.Random(0)
    measured = [sum(rng.random() < 0.9 for _ in range(360)) / 360 for _ in range(4000)]
    spread = (sum((m - 0.9) ** 2 for m in measured) / len(measured)) ** 0.5
    assert words.standard_error(0.9, 360) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s ago"), (300, "5 min ago"), (7300, "2 h ago"), (300_000, "3 days ago")]
)
def test_ago(seconds: int, said: str) -> None:
    assert words.ago(datetime.now(UTC) - timedelta(seconds=seconds)) == said


def test_names_are_shown_letter_by_letter_or_not_as_markdown() -> None:
    assert words.heading("a_b.c-1") == r"a\_b\.c\-1"
    assert words.heading("<img src=x onerror=alert(1)>") is None
    assert words.heading("![x](http://example.com/x.png)") is None
    assert words.escape("a<b>&c") == "a&lt;b&gt;&amp;c"
