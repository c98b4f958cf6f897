"""The pages Studies and Compare."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

from streamlit.testing.v1 import AppTest

from dashboard.study_cache import StudyCache
from nas.records.recipe import Recipe
from nas.records.settings import JOURNAL
from tests.dashboard.opened import checked, page, said
from tests.dashboard.studies import HOSTILE, damage, make_settings, make_study, timed


def test_studies_are_listed_with_what_is_wrong(runs: Path) -> None:
    make_study(runs, "good", complete=12)
    damage(make_study(runs, "bad", complete=2), line=3)
    make_study(runs, "new", complete=0)
    make_study(runs, HOSTILE, complete=1)
    app = page("studies")
    rows = listed(app)
    assert {name: row["state"] for name, row in rows.items()} == {
        "good": "idle", "bad": "broken", "new": "empty", HOSTILE: "idle",
    }  # fmt: skip
    assert rows["good"]["trials"] == "12 complete"
    best = 100 * (StudyCache().read(runs / "good").front[-1].accuracy or 0)
    assert rows["good"]["best"] == f"{best:.2f}%top-1, n = 360, 1 seed"
    assert "damage in line 3" in said(app)
    assert HOSTILE not in table_of(app), "a name is text"
    assert f'<a href="./front?study={quote(HOSTILE, safe="")}">' in table_of(app)
    assert list(listed(checked(app.segmented_control(key="order").set_value("name").run()))) == [
        HOSTILE, "bad", "good", "new",
    ]  # fmt: skip


def test_a_budget_has_the_digits_that_the_command_line_gives_it(runs: Path) -> None:
    make_settings("odd", flops_low=1_048_576, flops_high=4_194_304).write(make_study(runs, "odd", complete=1))
    assert listed(page("studies"))["odd"]["budget"] == "1.04858M..4.1943M"
    assert "Budget: 1.04858M..4.1943M FLOPs" in said(page("front", study="odd"))


def test_the_latest_are_first_by_what_the_column_updated_says(runs: Path) -> None:
    """A clone touches journals in an order of its own; trials say when they began and ended. What runs changes now."""
    make_study(runs, "searching", complete=1, running=1)
    for name in ("early", "late"):
        make_study(runs, name, complete=1)
    os.utime(runs / "searching" / JOURNAL, (0, 0))
    os.utime(runs / "early" / JOURNAL)
    rows = listed(page("studies"))
    assert rows["searching"]["state"] == "running"
    assert list(rows) == ["searching", "late", "early"]


def table_of(app: AppTest) -> str:
    return next(element.value for element in app.html if "nas-studies" in element.value)


def listed(app: AppTest) -> dict[str, dict[str, str]]:
    """The cells of the table, without what marks them up, by study and by column."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", table_of(app))
    cells = {plain(name): re.findall(r'<td data-name="(.*?)">(.*?)</td>', rest) for name, rest in rows}
    return {name: {column: plain(cell) for column, cell in row} for name, row in cells.items()}


def plain(marked: str) -> str:
    return unescape(re.sub(r"<.*?>", "", marked)).strip()


def test_studies_are_chosen_for_a_comparison(runs: Path) -> None:
    for seed, name in enumerate(["one", "two"]):
        make_study(runs, name, complete=3, seed=seed)
    app = page("studies")
    assert app.button(key="compare").disabled
    app = checked(app.multiselect(key="compared").set_value(["one", "two"]).run())
    assert not app.button(key="compare").disabled


def test_two_studies_are_compared(runs: Path) -> None:
    make_study(runs, "one", complete=25)
    make_study(runs, "two", complete=25, seed=1)
    make_study(runs, "none", complete=0)
    nothing = said(checked(page("compare").multiselect(key="with").set_value([]).run()))
    assert "Choose two studies or more" in nothing
    assert "updated" not in nothing, "nothing is shown that could have been"
    words = said(page("compare", **{"with": ["one", "two", "none", HOSTILE]}))
    assert "Best: within" in words
    assert re.search(r"Networks in the FLOPs that they share: one \d+, two \d+\.", words)
    assert "Hypervolume after" in words
    assert re.search(r"updated \d+ s ago", words)
    assert "none has no finished network to compare: it is empty." in words


def test_networks_that_failed_or_were_stopped_are_no_better_for_it(runs: Path) -> None:
    make_study(runs, "one", complete=25, stopped=4)
    make_study(runs, "two", complete=25, seed=1, failed=12)
    words = said(page("compare", **{"with": ["one", "two"]}))
    networks = re.search(
        r"that they share: one (\d+), two (\d+)\. Failed to train, and below all others: two (\d+)", words
    )
    assert networks is not None
    assert int(networks[2]) > 30, "those that failed are networks of the study"
    assert int(networks[3]) >= 10
    assert "Stopped early, and in no line, which looks the better for it: one 4." in words
    assert "Kolmogorov" not in words, "of what a search chose no test is made"


def test_at_first_the_study_is_compared_with_what_is_beside_it(runs: Path) -> None:
    for seed, name in enumerate(["early", "mine", "mine-random", "later"]):
        make_study(runs, name, complete=3, seed=seed)
    make_settings("other", recipe=Recipe(images=5000).settled(1077).to_dict()).write(
        make_study(runs, "other", complete=3)
    )
    make_study(runs, "none", complete=0)
    older = {name: value for name, value in make_settings("mine-random").recipe.items() if name != "mixup"}
    make_settings("mine-random", recipe=older).write(runs / "mine-random")  # as a release without mixup wrote it
    app = page("compare", study="mine")
    assert "These studies differ" not in said(app)
    assert app.multiselect(key="with").value == ["mine", "mine-random"]
    assert page("compare", study="mine-random").multiselect(key="with").value == ["mine-random", "mine"]
    assert page("compare", study="early").multiselect(key="with").value == ["early", "later"], "the first that may be"
    assert page("compare", study="other").multiselect(key="with").value == [], "it was trained otherwise"
    asked = page("compare", study="mine", **{"with": ["early", "later"]})
    assert asked.multiselect(key="with").value == ["early", "later"], "what the address asks for"

    app = checked(app.sidebar.selectbox(key="study").set_value("early").run())
    assert app.multiselect(key="with").value == ["early", "later"], "another study is looked at"
    app = checked(app.multiselect(key="with").set_value(["mine", "later"]).run())
    app = checked(app.sidebar.selectbox(key="study").set_value("mine").run())
    assert app.multiselect(key="with").value == ["mine", "later"], "what a person has chosen stays"
    app = checked(app.multiselect(key="with").set_value([]).run())
    assert "Choose two studies or more" in said(checked(app.run()))


def test_studies_are_compared_in_a_latency_that_all_of_them_have(runs: Path) -> None:
    for seed, name in enumerate(["one", "two"]):
        timed(make_study(runs, name, complete=25, seed=seed), "A Phone")
    timed(runs / "one", "Only Here")
    app = page("compare", over="latency (batch 1, A Phone)", **{"with": ["one", "two"]})
    words = said(app)
    assert "Best over latency (batch 1, A Phone): within " in words
    assert "Networks in the latency (batch 1, A Phone) that they share: one 2" in words
    assert app.selectbox(key="over").options == ["FLOPs", "parameters", "activations", "latency (batch 1, A Phone)"]
