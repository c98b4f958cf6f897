"""References on the page Front and in the report: stars, sentences, a table of their own; and a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

from dashboard.report import write_report
from dashboard.study_cache import StudyCache
from nas.records.reference import reference_path
from tests.dashboard.opened import page, said
from tests.dashboard.studies import HOSTILE, make_study
from tests.nas.analysis.test_against_front import reference


def test_they_come_to_a_study_that_is_looked_at_and_a_damaged_one_hides_no_study(tmp_path: Path) -> None:
    folder, cache = make_study(tmp_path, complete=3), StudyCache()
    before = cache.read(folder)
    assert before.references == ()
    one = reference(0.9, 2_000_000)
    one.write(folder)
    after = cache.read(folder)
    assert after.references == (one,)
    assert after.trials is before.trials
    assert not after.same(before)
    assert cache.read(folder) is after
    reference_path(folder, "broken", 0).write_text("{")
    damaged = cache.read(folder)
    assert damaged.references == ()
    assert "must be the whole record of a reference" in str(damaged.no_references)
    assert damaged.mode == "idle"


def test_the_page_has_them_in_a_table_of_their_own(runs: Path) -> None:
    folder = make_study(runs, complete=12)
    assert "References" not in said(page())
    reference(0.5, 4_000_000).write(folder)
    reference(0.6, 9_000_000, HOSTILE).write(folder)
    app = page()
    words = said(app)
    assert "Stars: 2 references, trained by the same recipe and no part of the search." in words
    front, table = (frame.value for frame in app.dataframe[:2])
    assert "trial" in front
    assert list(table["reference"]) == ["timm:resnet18", HOSTILE]
    assert list(table["in the band"]) == ["yes", "no"]
    columns = json.loads(app.dataframe[1].proto.columns)
    formats = {name: columns[name]["type_config"]["format"] for name in ("front, points", "front, % of its FLOPs")}
    assert formats == {"front, points": "%+.1f", "front, % of its FLOPs": "%.0f%%"}, "as the terminal rounds them"
    assert columns["attention products"]["type_config"].get("format") is None, "Python writes counts"
    reference_path(folder, "broken", 0).write_text("{")
    assert "The references cannot be read." in said(page())


def test_the_report_has_them_and_their_names_stay_text(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=12)
    reference(0.6, 9_000_000, HOSTILE).write(folder)
    write_report(folder, tmp_path / "report.html")
    own = (tmp_path / "report.html").read_text().partition("<script>/**")[0]
    assert "<h3>References</h3>" in own
    assert "Stars: 1 reference, trained by the same recipe" in own
    assert HOSTILE not in own
