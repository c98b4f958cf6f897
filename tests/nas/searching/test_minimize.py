"""A search whose front is over another cost than FLOPs: what is told to samplers, kept, said and refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.analysis.pareto import pareto_front
from nas.records.settings import Settings
from nas.records.trial import WEIGHTS, Trial
from nas.storage.reader import Reader
from space import Band, InputError, Space, compact
from tests.nas.conftest import Run
from tests.nas.searching.test_latency_budget import model_file

SEARCH = ("search", "digits", "--data", "digits", "--flops", "100K..2M", "--images", "300", "--device", "cpu")


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def staircase(front: Sequence[Trial], cost: str, ends: Band) -> float:
    """The area of a front by rising cost under its definition."""
    edges = [max(getattr(trial, cost), ends.low) for trial in front] + [ends.high]
    steps = zip(front, edges, edges[1:], strict=False)
    return sum((t.score or 0) * math.log(end / edge) for t, edge, end in steps) / math.log(ends.high / ends.low)


@pytest.mark.parametrize("sampler", ["ehvi", "nsga2"])
def test_parameters_are_the_second_objective_and_what_the_front_is_over(run: Run, sampler: str) -> None:
    words = (*SEARCH, "--minimize", "params", "--sampler", sampler, "--stop", "none")
    code, out, err = run(*words, "--trials", 7, "--repeats", 1)
    assert code == 0, err
    (folder,) = Path("runs").iterdir()
    assert folder.name == f"digits-100K-2M{'-nsga2' * (sampler == 'nsga2')}-min-params-stop-none"
    reader = Reader(folder)
    trials, reach = reader.trials(), Space.load("digits").cost_range(reader.settings.task, "params")
    assert [frozen.values[1] for frozen in reader.frozen()] == [trial.params for trial in trials]
    front = pareto_front(trials, lambda trial: trial.params)
    kept = {trial.number for trial in trials if reader.artifact(trial.number, WEIGHTS)}
    assert kept == {trial.number for trial in front}
    found = json.loads(run("front", folder.name, "--json")[1])
    assert (found["minimize"], found["by"]) == ("params", "params")
    assert [row["trial"] for row in found["rows"]] == [trial.number for trial in front]
    assert found["hypervolume"] == pytest.approx(staircase(front, "params", reach))
    assert f"hypervolume {found['hypervolume']:.4f}: the area under it over log parameters, 0 to 1\n" in out
    assert " for accuracy against parameters on cpu" in " ".join(err.split())


def test_the_front_by_flops_is_still_there_without_a_hypervolume(run: Run) -> None:
    assert run(*SEARCH, "--minimize", "params", "--trials", 5, "--study", "s")[0] == 0
    trials = Reader(Path("runs/s")).trials()
    found = json.loads(run("front", "s", "--json", "--by", "flops")[1])
    assert [row["trial"] for row in found["rows"]] == [trial.number for trial in pareto_front(trials)]
    assert ("hypervolume" in found, "references" in found) == (False, True)
    assert "\nover FLOPs (conv + linear multiply-accumulates, batch 1)\n" in run("front", "s", "--by", "flops")[1]


def test_a_forecast_latency_is_minimised_within_its_band(run: Run) -> None:
    words = (
        *SEARCH,
        "--latency",
        "0.3ms..0.6ms",
        "--device-model",
        model_file(nanoseconds=0.5),
        "--minimize",
        "latency",
    )
    code, out, err = run(*words, "--trials", 6, "--study", "s", "--stop", "none")
    assert code == 0, err
    reader = Reader(Path("runs/s"))
    trials = reader.trials()
    complete = [frozen for frozen in reader.frozen() if frozen.state.name == "COMPLETE"]
    assert [frozen.values[1] for frozen in complete] == [trials[frozen.number].latency for frozen in complete]
    front = pareto_front(trials, lambda trial: trial.latency)
    found = json.loads(run("front", "s", "--json")[1])
    assert found["hypervolume"] == pytest.approx(staircase(front, "latency", Band(300_000, 600_000)))
    assert f"hypervolume {found['hypervolume']:.4f}: the area under it over log forecast latency, 0 to 1\n" in out
    assert f" {(front[0].latency or 0) / 1e6:.3g} ms " in out
    assert [row["trial"] for row in found["rows"]] == [trial.number for trial in front]
    code, _, err = run("export", "s", "--out", "found")
    assert re.search(r"picked: trial .* 1 seed; 0\.\d+ ms forecast latency\)", err), err
    picture = Path("found/front.svg").read_text()
    assert "latency that the study's model forecasts, ms, log scale" in picture
    assert ">0.5 ms</text>" in picture, "a line of the grid"


def test_what_cannot_be_minimised_is_refused(run: Run) -> None:
    code, _, err = run(*SEARCH, "--minimize", "latency", "--trials", 1)
    said = "minimize must have a latency to forecast, got latency without a band; add --latency ..5ms"
    assert (code, said in err) == (2, True), err
    assert run(*SEARCH, "--minimize", "energy", "--trials", 1)[0] == 2
    wrong: Any = "energy"
    with pytest.raises(InputError, match="minimize must be one of flops, params, activations, latency, got 'energy'"):
        nas.search("digits", data="digits", flops="100K..2M", trials=1, minimize=wrong)
    assert not Path("runs").exists()


def test_a_study_goes_on_with_what_it_minimises_alone(run: Run) -> None:
    assert run(*SEARCH, "--minimize", "params", "--trials", 1, "--study", "s")[0] == 0
    for other in ((), ("--minimize", "activations")):
        code, _, err = run(*SEARCH, *other, "--trials", 2, "--study", "s")
        assert (code, "minimize must be params to resume s, got " in err) == (2, True), err
    assert run(*SEARCH, "--minimize", "params", "--trials", 2, "--study", "s")[0] == 0


def test_a_study_from_before_minimises_flops(run: Run) -> None:
    assert run(*SEARCH, "--trials", 1, "--study", "s")[0] == 0
    path = Path("runs/s/study.yaml")
    assert "minimize: flops\n" in path.read_text()
    path.write_text(path.read_text().replace("minimize: flops\n", ""))
    assert Settings.read(path.parent).minimize == "flops"
    assert run(*SEARCH, "--trials", 2, "--study", "s")[0] == 0


def test_from_python_front_and_export_go_by_it(run: Run) -> None:
    study = nas.search(
        "digits", data="digits", flops="100K..2M", minimize="activations", trials=6, images=300, device="cpu"
    )  # fmt: skip
    assert "--minimize activations" in study.settings.command
    front = pareto_front(Reader(study.folder).trials(), lambda trial: trial.activations)
    assert list(study.front().index) == [trial.number for trial in front]
    assert study.plot().layout.xaxis.title.text == "activations (outputs of conv and linear, batch 1)"
    code, _, err = run("export", study.folder.name, "--pick", "cheapest", "--out", "found")
    assert code == 0, err
    card = Path("found/README.md").read_text()
    assert f"This is trial {front[0].number}; of\n" in card
    assert "for accuracy against activations under a FLOPs budget." in card
    assert f"trained networks {len(front)} are on the front of accuracy against activations. It" in card
    assert "![Accuracy against activations of the networks" in card
    assert "activations (outputs of conv and linear, batch 1), log scale" in Path("found/front.svg").read_text()
    assert f"{compact(front[0].activations or 0)} activations)" in err
