"""The Python API, used as its users do: in a script, a thread, a notebook."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import plotly.graph_objects as go  # type: ignore[import-untyped]
import pytest
import torch
from nbclient import NotebookClient

import nas
from nas.analysis.cost_axes import ACTIVATIONS, PARAMETERS
from nas.analysis.pareto import pareto_front
from nas.storage.reader import Reader
from tests.brief import measure_briefly
from tests.forked import fork_what_is_started
from tests.started import Started

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "runs" / "cifar10"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> nas.Study:
    """A small search, from Python."""
    runs = tmp_path_factory.mktemp("runs")
    return nas.search("digits", data="digits", flops="200K..4M", trials=4, epochs=1, runs=runs, study="small")


def test_importing_it_is_quick_and_brings_no_torch() -> None:
    code = "import sys, nas; print('torch' in sys.modules or 'optuna' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_every_name_is_there_and_is_listed() -> None:
    assert set(nas.__all__) <= set(dir(nas))
    assert all(getattr(nas, name) is not None for name in nas.__all__)
    with pytest.raises(AttributeError, match="module 'nas' has no attribute 'serach'"):
        nas.serach  # noqa: B018


def test_a_space_is_narrowed_drawn_from_counted_and_built() -> None:
    space = nas.Space.load("convnext_or_modulation_32").narrow(kernel=(5, 7))
    arch = space.draw(flops="1M..4M", seed=0)
    assert arch in space
    assert arch == space.draw(flops="1M..4M", seed=0) != space.draw(flops="1M..4M", seed=1)
    found = nas.cost(arch, image_size=32, classes=10)
    assert 1_000_000 <= found.flops <= 4_000_000
    assert nas.cost(arch, image_size=32, classes=10, check=True) == found
    network = nas.Network(arch, nas.Task(32, 3, 10))
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(nas.InputError, match="flops must be within "):
        space.draw(flops="1..2")
    with pytest.raises(nas.InputError, match="flops must be a band in words, got "):
        space.draw(flops=(1, 2))  # type: ignore[arg-type]


def test_a_network_is_counted_and_built_by_its_name() -> None:
    arch = nas.Arch.load("convnext_32")
    assert nas.cost("convnext_32") == nas.cost(arch)
    assert nas.Network("convnext_32", nas.Task(32, 3, 10)).arch == arch
    with pytest.raises(nas.InputError, match="network must be a YAML file or a preset, got 3; name one"):
        nas.cost(3)  # type: ignore[arg-type]


def test_a_wrong_argument_of_a_network_is_one_line() -> None:
    space, module = nas.Space.load("digits"), torch.nn.Sequential(*[torch.nn.Linear(3, 4)] * 9)
    wrong: dict[str, Callable[[], object]] = {
        "network must be a YAML file or a preset, got Sequential( (0): Linear(in_features=3, out_features=4, bi...; name "
        "one, see nas presets": lambda: nas.cost(module),  # type: ignore[arg-type]
        "image_size must be a whole number, got 'a'; correct it": lambda: nas.Task("a"),  # type: ignore[arg-type]
        "classes must be a whole number, got 2.5; correct it": lambda: nas.Task(classes=2.5),  # type: ignore[arg-type]
        "task must be a nas.Task, got 32; write e.g. nas.Task(32, 3, 10)": lambda: nas.Network("convnext_32", 32),  # type: ignore[arg-type]
        "seed must be a whole number, got 'a'; correct it": lambda: space.draw(seed="a"),  # type: ignore[arg-type]
        'flops must be a band in words, got 3; write e.g. "1M..4M"': lambda: space.draw(flops=3),  # type: ignore[arg-type]
    }
    for said, call in wrong.items():
        with pytest.raises(nas.InputError) as refused:
            call()
        assert str(refused.value) == said


def test_a_search_gives_a_study_and_goes_on_to_the_total(study: nas.Study) -> None:
    assert repr(study) == f"Study({str(study.folder)!r}): 4 trials with an accuracy, 200K..4M FLOPs"
    before = dict(os.environ)
    again = nas.search(
        "digits", data="digits", flops="200K..4M", trials=5, epochs=1, runs=study.folder.parent, study="small"
    )
    assert again.trials()["accuracy"].notna().sum() == 5
    assert dict(os.environ) == before, "no variable is set behind a user's back"


def test_trials_and_front_are_frames_with_the_documented_columns() -> None:
    study = nas.Study("cifar10", runs=ROOT / "runs")
    trials, front, read = study.trials(), study.front(), Reader(COMMITTED).trials()
    assert isinstance(trials, pd.DataFrame)
    assert list(trials.index) == [trial.number for trial in read]
    assert list(trials["flops"]) == [trial.flops for trial in read]
    assert list(front.index) == [trial.number for trial in pareto_front(read)]
    assert front["accuracy"].max() == pytest.approx(0.4771)
    assert front["flops"].is_monotonic_increasing
    for frame, documented in ((trials, study.trials), (front, study.front)):
        assert str(documented.__doc__).count("for the columns") == 1
        assert frame["network"].str.contains("stem").all()
    import nas.analysis.data_frames as source

    for frame, function in ((trials, source.trials_data), (front, source.front_data)):
        missing = [name for name in frame.columns if name not in str(function.__doc__)]
        assert not missing, "each column is explained"


def test_a_front_over_another_cost_is_the_trials_own() -> None:
    study, read = nas.Study(COMMITTED), Reader(COMMITTED).trials()
    for by, cost in (("params", PARAMETERS), ("activations", ACTIVATIONS)):
        front = study.front(by=by)
        assert list(front.index) == [trial.number for trial in pareto_front(read, cost.of)]
        assert front[by].is_monotonic_increasing
        assert front["accuracy"].is_monotonic_increasing
    with pytest.raises(nas.InputError, match="by must be flops, params, activations or latency@DEVICE, got size"):
        study.front(by="size")


def test_the_plot_is_plotlys_and_says_what_its_numbers_rest_on() -> None:
    figure = nas.Study(COMMITTED).plot()
    assert isinstance(figure, go.Figure)
    said = " ".join(figure.layout.title.text.replace("<br>", " ").split())
    assert "validation split, n = 5,000, the mean of each network's seeds" in said
    assert "conv + linear multiply-accumulates" in said
    assert "@" not in figure.to_json().replace("@plotly", "")
    assert any(trace.name == "random search's front" for trace in figure.data)
    other = nas.Study(COMMITTED).plot(by="params")
    said = " ".join(other.layout.title.text.replace("<br>", " ").split())
    assert f"{len(nas.Study(COMMITTED).front(by='params'))} networks on the front over parameters: " in said
    assert other.layout.xaxis.title.text == "parameters"


def test_an_export_is_loaded_again(study: nas.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fork_what_is_started(monkeypatch.setattr)
    measure_briefly(monkeypatch.setattr)
    folder = study.export(tmp_path / "best", pick="knee")
    model, preprocess = nas.load_export(folder)
    assert model(preprocess(torch.zeros(8, 8).byte().numpy())).shape == (1, 10)
    text = (folder / "README.md").read_text()
    assert "fvcore, counting conv and linear in the built network: " in text
    with pytest.raises(nas.InputError, match="trial must be given alone"):
        study.export(tmp_path / "other", trial=0, flops="..2M")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"trials": 0}, "trials must be a whole number from 1 on, got 0; use e.g. 1"),
        ({"trials": "3"}, "trials must be a whole number, got '3'; see help(nas.search)"),
        ({"trials": True}, "trials must be a whole number, got True; see help(nas.search)"),
        ({"trials": 3, "baseline": "x"}, "baseline must be True or False, got 'x'; see help(nas.search)"),
        ({"trials": 3, "study": 3}, "study must be text, got 3; see help(nas.search)"),
        ({"trials": 3, "recipe": 3}, "recipe must be text or a path, got 3; see help(nas.search)"),
        ({"trials": 3, "image_size": 0}, "image_size must be a whole number from 1 on, got 0; use e.g. 1"),
        ({"trials": 3, "epochs": 0}, "epochs must be a whole number from 1 on, got 0; use e.g. 1"),
        ({"trials": 3, "workers": -1}, "workers must be a whole number from 1 on, got -1; use e.g. 1"),
        ({"trials": 3, "seed": -1}, "seed must be a whole number from 0 on, got -1; use e.g. 0"),
        (
            {"trials": 3, "sampler": "evhi"},
            "sampler must be one of ehvi, tpe, nsga2, random, spread, got 'evhi'; choose one",
        ),
        ({"trials": 3, "stop": "asha"}, "stop must be one of none, quantile, moasha, got 'asha'; choose one"),
    ],
)
def test_what_no_search_can_be_is_one_line_and_leaves_nothing(
    words: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(nas.InputError) as error:
        nas.search("digits", data="digits", flops="200K..4M", runs=tmp_path, **words)
    assert str(error.value) == message
    assert not list(tmp_path.iterdir())


def test_a_space_that_is_no_name_is_one_line() -> None:
    with pytest.raises(nas.InputError, match="space must be a YAML file or a preset, got 3; name one, see nas presets"):
        nas.search(3, data="digits", flops="200K..4M", trials=1)  # type: ignore[arg-type]


def test_a_study_keeps_its_search_as_a_command(study: nas.Study) -> None:
    command = study.settings.command
    words = f"--trials 4 --epochs 1 --study small --runs {study.folder.parent}"
    assert command == f"nas search digits --data digits --flops 200K..4M {words}"


def test_a_study_that_is_none_is_one_line() -> None:
    with pytest.raises(nas.InputError, match="study must be a name under runs or a study's folder, got nowhere"):
        nas.Study("nowhere")


def test_it_searches_in_another_thread(tmp_path: Path) -> None:
    """Which hears no signals, and may set no handlers."""
    found: list[Any] = []
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        found.append(nas.search("digits", data="digits", flops="200K..4M", trials=2, epochs=1, runs=tmp_path))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(found[0].trials()) == 2
    assert signal.getsignal(signal.SIGINT) is before


SCRIPT = """
import sys, nas
try:
    nas.search("digits", data="digits", flops="200K..4M", trials=500, epochs=1, runs=sys.argv[1], study="s")
except KeyboardInterrupt:
    print("interrupted", len(nas.Study("s", runs=sys.argv[1]).front()) > 0)
"""


def test_ctrl_c_in_a_script_leaves_a_study_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    process = Started(["python", str(tmp_path / "script.py"), str(tmp_path)], dict(os.environ))
    while not (tmp_path / "s" / "study.yaml").exists() or not any(
        trial.state == "complete" for trial in Reader(tmp_path / "s").trials()
    ):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "interrupted True\n"), errors
    assert "stopping after the next evaluation" in errors
    trained = len(nas.Study(tmp_path / "s").front())
    assert trained
    done = sum(trial.state == "complete" for trial in Reader(tmp_path / "s").trials())
    nas.search("digits", data="digits", flops="200K..4M", trials=done + 1, epochs=1, runs=tmp_path, study="s")
    assert nas.Study(tmp_path / "s").trials()["accuracy"].notna().sum() == done + 1


def test_the_readmes_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed, but for fewer trials and epochs."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
    assert "trials=30, workers=2" in code
    fork_what_is_started(monkeypatch.setattr)
    measure_briefly(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(code.replace("trials=30,", "trials=3, epochs=1,"), "README.md", "exec"), names)
    assert names["model"](names["preprocess"](torch.zeros(8, 8).byte().numpy())).shape == (1, 10)
    assert names["study"].folder == Path("runs/from-python")


QUICK = """
from tests.brief import measure_briefly
from tests.forked import fork_what_is_started
fork_what_is_started()
measure_briefly()
"""


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, but for fewer trials and epochs; workers are forked from the kernel."""
    notebook = nbformat.read(ROOT / "examples" / "first_search.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    for cell in notebook.cells:
        cell.source = cell.source.replace("trials=12, epochs=4", "trials=3, epochs=1")
    fork = nbformat.v4.new_code_cell(QUICK)  # type: ignore[no-untyped-call]
    notebook.cells.insert(0, fork)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert {"text/html", "application/vnd.plotly.v1+json"} <= kinds, "tables and the figure"
    errors = "".join(output.get("text", "") for output in shown if output.get("name") == "stderr")
    assert "ipywidgets" not in errors
    assert "Traceback" not in errors
    assert (tmp_path / "exports" / "first-search" / "model.safetensors").is_file()


def test_wrong_arguments_of_a_study_are_one_line() -> None:
    study = nas.Study(COMMITTED)
    with pytest.raises(nas.InputError, match=r"^latency must be text, got 5; see help\(nas\.Study\.export\)$"):
        study.export("x", latency=5)  # type: ignore[arg-type]
    with pytest.raises(nas.InputError, match=r"^by must be text, got 3; see help\(nas\.Study\.front\)$"):
        study.front(by=3)  # type: ignore[arg-type]
    with pytest.raises(nas.InputError, match=r"^orders must be a list, got 'a, b, c'; see help\(nas\.steps\)$"):
        nas.steps("resnet_32", "convnext_32", data="digits", flops="400K", orders="a, b, c")
    with pytest.raises(nas.InputError, match=r"^image_size must be a whole number, got '224'; see help\(nas\.cost\)$"):
        nas.cost("convnext_tiny", image_size="224")  # type: ignore[arg-type]


def test_numbers_of_its_own_frames_are_taken() -> None:
    study = nas.Study(COMMITTED)
    rows = study.trials()
    best: Any = rows["accuracy"].idxmax()
    assert not isinstance(best, int)
    assert study.arch(best).key == rows["key"][best]
    size: Any = np.int64(224)
    assert nas.cost("convnext_tiny", image_size=size) == nas.cost("convnext_tiny")
    with pytest.raises(nas.InputError, match=r"^trial must be a whole number, got 1\.5; "):
        study.arch(np.float64(1.5))  # type: ignore[arg-type]
    with pytest.raises(nas.InputError, match=r"^trial must be a whole number, got True; "):
        study.arch(True)
