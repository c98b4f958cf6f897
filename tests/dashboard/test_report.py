"""The report: what it holds, what it refuses, and that names of studies stay text."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from dashboard.report import write_report
from nas.cli import main
from nas.latency.measurements import keep
from nas.storage.reader import Reader
from space import InputError
from tests.dashboard.charts.figures import as_plotly
from tests.dashboard.studies import HOSTILE, add_trial, make_settings, make_study


def test_a_report_holds_charts_sentences_tables_and_networks(tmp_path: Path) -> None:
    folder = make_study(tmp_path, HOSTILE, complete=25, stopped=2, interrupted=1)
    add_trial(folder, random.Random(3), repeat_of=0)
    make_study(tmp_path, f"{HOSTILE}-random", complete=10, seed=1)
    path = tmp_path / "report.html"
    size = write_report(folder, path)
    text = path.read_text()
    assert size == path.stat().st_size > 4_000_000, "plotly is inside"
    own = text.partition("<script>/**")[0]
    assert HOSTILE not in own
    assert "&lt;img src=x onerror=alert(1)&gt;" in own
    figures = re.findall(r'<script type="application/json" id="[a-zA-Z0-9-]+">(.*?)</script>', own)
    assert len(figures) > 8
    for figure in figures:
        as_plotly(json.loads(figure))
    for words in ("n = 360 images, mean of 1 to 2 seeds", "of 25 networks are on the front", "Random search has", "± 95%", "too few for an interval", "Trials: 26 complete, 2 stopped, 1 interrupted.",
                  "one axis at a time", "stem:", "<span>nas</span> <span>search</span>", "Best: within"):  # fmt: skip
        assert words in own
    assert not re.search(r'(src|href)="', own)
    drawn, members = own.count('data-figure="figure-network-'), own.partition("</h2>")[2].partition("</table>")[0]
    assert f"<p>{drawn} of {members.count('<tr>')}: the cheapest, the most accurate, and an even choice" in own
    assert "default-src 'none'" in own


def test_a_report_holds_the_front_over_each_latency(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "first", complete=9)
    for trial in Reader(folder).trials():
        seconds = 1e-9 * (trial.flops or 0)
        timing = {"median": seconds, "low": 0.9 * seconds, "high": 1.1 * seconds, "memory": None}
        keep(folder, HOSTILE, trial.key or "", {"1": timing, "64": timing})
    path = tmp_path / "report.html"
    write_report(folder, path)
    own = path.read_text().partition("<script>/**")[0]
    assert HOSTILE not in own
    for batch in (1, 64):
        assert f"<h2>The front over latency (batch {batch}, &lt;img" in own
    assert "The front over parameters" not in own
    figures = [json.loads(f) for f in re.findall(r'<script type="application/json" id="figure-latency.*?">(.*?)<', own)]
    assert [f["layout"]["xaxis"]["title"]["text"][:10] for f in figures] == ["latency of"] * 2
    assert len(re.findall(r"<th>ms</th>\s*<th>quartiles</th>", own)) == 2


def test_a_report_goes_into_a_folder_that_is_still_to_be_made(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "first", complete=2)
    path = tmp_path / "missing" / "x.html"
    assert write_report(folder, path) == path.stat().st_size
    with pytest.raises(InputError, match=rf"^out must be a file that can be written, got {path / 'y.html'} \("):
        write_report(folder, path / "y.html")


def test_a_small_study_says_that_it_is_too_small(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(make_study(tmp_path, "small", complete=1), path)
    assert "Importance needs 20 networks or more; this study has 1." in path.read_text()


def test_what_cannot_be_reported_is_refused_in_a_line(tmp_path: Path) -> None:
    empty, full = make_study(tmp_path, "empty", complete=0), make_study(tmp_path, "full", complete=1)
    with pytest.raises(InputError, match="study must have a finished network to report, got none in"):
        write_report(empty, tmp_path / "x.html")
    (tmp_path / "there.html").touch()
    with pytest.raises(InputError, match=r"out must not exist, got .*there.html; choose another file with --out"):
        write_report(full, tmp_path / "there.html")
    (full / "study.yaml").write_text("version: [")
    with pytest.raises(InputError, match="must be valid YAML"):
        write_report(full, tmp_path / "x.html")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".html") == ["there.html"]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    make_study(tmp_path, "first", complete=2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["nas", "report", "first", "--runs", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("first.html: 4,")
    assert (tmp_path / "first.html").is_file()


def test_a_report_is_of_the_front_over_what_the_study_minimises(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "first", complete=9)
    make_settings("first", minimize="params").write(folder)
    path = tmp_path / "report.html"
    write_report(folder, path)
    own = path.read_text().partition("<script>/**")[0]
    assert re.search(r"Best: [^<]* at [\d.]+K parameters, trial", own)
    assert re.search(r"Hypervolume 0\.\d{4}, over log parameters across the range of the space\.", own)
    assert "<h2>The front over parameters</h2>" in own
    assert "<h2>The front</h2>" not in own
    assert re.search(r"Trial \d+: [\d.]+%, 1 seed, at [\d.]+K parameters", own)
