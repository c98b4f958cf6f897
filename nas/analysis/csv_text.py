"""Tables as CSV: what a person opens in a spreadsheet has no digits that mean nothing."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_float_dtype

DIGITS = 6  # significant ones of a number that is not whole: 47.15 for 47.150000000000006


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """With every number that is not whole to DIGITS significant digits; counts stay as they are."""
    found = frame.copy()
    for name in frame:
        if is_float_dtype(frame[name]):
            found[name] = frame[name].map(_round, na_action="ignore").astype(frame[name].dtype)
    return found


def as_csv(frame: pd.DataFrame) -> str:
    """With its header, without its index."""
    return frame.to_csv(index=False, float_format=f"%.{DIGITS}g")


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
