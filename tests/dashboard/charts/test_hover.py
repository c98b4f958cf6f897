"""What is shown under the mouse."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.charts.blocks import hover
from tests.dashboard.charts.figures import trial


def test_hover_says_the_design_and_escapes_it() -> None:
    text = hover(trial(7, 0.967, 3_100_000, ("<img src=x onerror=alert(1)>",)))
    assert text.startswith("<b>trial 7</b>  96.70%<br>3.1M FLOPs, 1K parameters<br>")
    assert "&lt;img src=x onerror=alert(1)&gt; 2 x 64, kernel 7, expansion 4.0, ln, gelu" in text
    assert "<img" not in text


def test_brief_hover_for_thousands() -> None:
    assert hover(trial(7, 0.967, 1, ("convnext", "<b>")), brief=True) == "<b>trial 7</b>  96.70%<br>c2x64k7 &lt;2x64k7"


def test_hovers_leave_out_what_a_block_has_not() -> None:
    own = {"block": "mine", "depth": 2, "width": 64, "downsample": "strided", "act": "relu"}
    text = trial(7, 0.9, 1000, arch={"stages": [own]})
    assert hover(text).endswith("<br>mine 2 x 64, relu, strided")
    assert hover(text, brief=True).endswith("<br>m2x64")


@pytest.mark.parametrize("arch", [None, {}, {"stages": None}, {"stages": [1, "x"]}, []])
def test_hover_takes_whatever_a_journal_holds(arch: Any) -> None:
    assert hover(trial(7, 0.5, 1000, arch=arch)).startswith("<b>trial 7</b>")
    assert hover(trial(7, 0.5, 1000, arch=arch), brief=True).startswith("<b>trial 7</b>")
