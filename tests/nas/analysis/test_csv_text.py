"""CSV: numbers that are not whole to six digits, counts whole, what is missing empty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboard.frames import front_frame, trials_frame
from nas.analysis.csv_text import as_csv, rounded
from nas.analysis.seed_noise import networks
from nas.records.trial import Trial

FRAME = pd.DataFrame({
    "noisy": [100 * 0.4715, 0.1 + 0.2, 1e-9 / 3],
    "half": np.array([0.1, 0.2, 1 / 3], np.float32),
    "count": pd.array([123_456_789, None, 3], "Int64"),
    "part": pd.array([1.5, None, 3 / 7], "Float64"),
    "text": ["a,b", 'a "b"', ""],
})  # fmt: skip


def test_no_digits_that_mean_nothing() -> None:
    assert as_csv(FRAME).splitlines() == [
        "noisy,half,count,part,text", '47.15,0.1,123456789,1.5,"a,b"', '0.3,0.2,,,"a ""b"""',
        "3.33333e-10,0.333333,3,0.428571,",
    ]  # fmt: skip


def test_a_rounded_frame_is_the_same_written_in_full() -> None:
    found = rounded(FRAME)
    assert (found.dtypes == FRAME.dtypes).all()
    assert found["noisy"].tolist() == [47.15, 0.3, 3.33333e-10]
    assert as_csv(found) == as_csv(FRAME)
    assert found["count"].equals(FRAME["count"])


def test_the_tables_of_a_study_are_so() -> None:
    trials = [
        Trial(number=i, state="complete", accuracy=accuracy, flops=10_000_000 + i, params=7, seconds=1 / 3, key=key)
        for i, (accuracy, key) in enumerate([(0.4715, "a"), (0.57, "b"), (0.58, "b"), (0.29, "c")])
    ]
    found = networks(trials)
    for frame in (trials_frame(trials, (), found), front_frame([row.trial for row in found.front], found)):
        cells = {cell for line in as_csv(frame).splitlines() for cell in line.split(",")}
        assert "47.15" in cells
        assert "10000000" in cells
        assert not [cell for cell in cells if cell.replace(".", "").isdigit() and len(cell) > 9]
