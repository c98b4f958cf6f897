"""Making latency models: of a space, measured on this machine, kept as files that another search finds; and refusals."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nas.latency import known_models, modelling
from nas.latency.known_models import Wanted, make_models, model_for
from nas.latency.known_models import known_models as models_in
from nas.latency.measuring import MeasureOptions, timings_of
from nas.latency.modelling import measure_space, model_path
from nas.latency.reference_kernel import ReferenceKernel
from nas.latency.timing import Timing
from space import Arch, Band, Budget, InputError, Space, Task
from space.feasible import amounts
from space.latency_model import LatencyModel
from space.work import work
from tests.brief import measure_briefly
from tests.nas.conftest import Run

TASK = Task(8, 1, 10)
BUDGET = Budget.parse("50K..400K")
QUIET = Console(quiet=True)
HOW = MeasureOptions(device="cpu", batches=(1, 4))


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure_briefly(monkeypatch.setattr)
    monkeypatch.setattr(modelling, "FEWEST", 10)
    monkeypatch.chdir(tmp_path)


def test_a_model_knows_every_layer_of_its_space_and_says_what_it_is_of() -> None:
    space, told = Space.load("digits"), list[tuple[int, int]]()
    models = measure_space(space, TASK, BUDGET, HOW, networks=12, on_network=lambda *how_far: told.append(how_far))
    assert [model.batch for model in models] == [1, 4]
    assert told[0] == (0, 22)
    assert told[-1] == (22, 22)
    for model in models:
        assert (model.space, model.image_size, model.channels, model.classes) == ("digits", 8, 1, 10)
        assert model.networks == 12
        assert model.error.networks == 10
        assert model.device.endswith("1 thread")
        space.check_budget(Budget.parse("1K..2M", latency="..9s").forecast_by(model), TASK)
    rng = random.Random(0)
    small, large = (space.random_arch(rng, TASK, Budget.parse(band)) for band in ("50K..60K", "350K..400K"))
    assert 0 < _forecast(models[1], small) < _forecast(models[1], large)


def _forecast(model: LatencyModel, arch: Arch) -> float:
    return model.fixed + sum(model.rates[kind][unit] * n for (kind, unit), n in work(arch, TASK).items())


def of_many_kernels() -> Space:
    return Space.from_dict({
        "image_size": 8, "axes": {"stages": [1], "depth": [1, 2, 3], "width": {"low": 4, "high": 40, "step": 1},
                                  "stem.stride": [1], "block": ["convnext"], "kernel": list(range(3, 31, 2))},
    }, "many", "many.yaml")  # fmt: skip


def test_every_kind_of_layer_is_measured_however_rare() -> None:
    space = of_many_kernels()
    archs, seen = modelling._drawn(space, TASK, None, 14, 10, 0)
    kernels = {arch.stages[0].block.to_dict()["kernel"] for arch in archs[:seen]}
    assert (seen, kernels) == (14, set(range(3, 31, 2)))
    with pytest.raises(
        InputError,
        match=r"networks must be at least 14 to have every kind of layer of space many, got 13; use e\.g\. 28",
    ):  # before anything is measured
        measure_space(space, TASK, None, HOW, networks=13)


def test_layers_that_the_budget_leaves_out_are_measured_too() -> None:
    space = Space.from_dict({
        "image_size": 16, "axes": {"stages": [1], "depth": [1, 2, 3], "width": {"low": 4, "high": 40, "step": 1},
                                   "stem.stride": [1, 4]},
    }, "strides", "strides.yaml")  # fmt: skip
    cheap = Budget(flops=Band(space.cost_range(Task(16, 1, 10)).low, 100_000))
    archs, seen = modelling._drawn(space, Task(16, 1, 10), cheap, 12, 10, 0)
    assert seen == 12
    assert {kind for arch in archs[:seen] for kind, _ in work(arch, TASK)} == {kind for kind, _ in amounts(space)}


def test_a_machine_that_is_seen_to_have_been_busy_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference kernel's best comes last: what was measured before it, beside slower ones, was not quiet."""
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    monkeypatch.setattr("nas.latency.timing.quietest", lambda tries, most: next(iter(tries)))
    burst, bursts = ReferenceKernel.burst, list[int]()

    def ever_faster(self: ReferenceKernel) -> list[float]:
        bursts.append(0)
        took = burst(self)
        self.best = 1.0 / len(bursts)
        return [self.best] * len(took)

    monkeypatch.setattr(ReferenceKernel, "burst", ever_faster)
    with pytest.raises(InputError, match=r"machine must be quiet for most of 20 networks, got \d+ on"):
        measure_space(Space.load("digits"), TASK, BUDGET, MeasureOptions(device="cpu"), networks=10)


def test_what_was_measured_on_a_busy_machine_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour of other work does not end a search before it begins."""
    measured, told = list[Any](), list[tuple[int, int]]()

    def busy_from_the_sixth_on(*what: Any) -> list[Timing]:
        measured.append(what)
        slower = 100.0 if 5 < len(measured) <= 20 else 1e-9
        return [replace(timing, reference=slower * timing.reference) for timing in timings_of(*what)]

    monkeypatch.setattr("nas.latency.reference_kernel.BURST", 8)
    monkeypatch.setattr(modelling, "timings_of", busy_from_the_sixth_on)
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    space, how = Space.load("digits"), MeasureOptions(device="cpu")
    (model,) = measure_space(space, TASK, BUDGET, how, networks=10, on_network=lambda *how_far: told.append(how_far))
    assert model.networks == 10
    assert told[-1] == (35, 35), "20 networks, and 15 of them again"


def test_what_was_quiet_stays_where_only_another_batch_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = list[Any]()

    def busy_at_one_batch(arch: Arch, *how: Any) -> Iterator[Timing]:
        again = arch in measured
        measured.append(arch)
        for timing in timings_of(arch, *how):
            busy = (timing.batch == 1) == again
            yield replace(timing, reference=1e9 if busy else 1e-9)

    monkeypatch.setattr("nas.latency.reference_kernel.BURST", 8)
    monkeypatch.setattr(modelling, "timings_of", busy_at_one_batch)
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    models = measure_space(Space.load("digits"), TASK, BUDGET, HOW, networks=10)
    assert [(model.batch, model.networks, model.error.networks) for model in models] == [(1, 10, 10), (4, 10, 10)]
    assert len(measured) == 40, "each once for either batch"


def test_what_the_machine_lost_meanwhile_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the limit: what is beyond is measured again."""
    rng = random.Random(0)

    def disturbed(
        arch: Arch, task: Task, batches: Any, runtime: Any, reference: ReferenceKernel, seconds: float
    ) -> Any:
        slower, took = rng.uniform(1, 1.24), 1e-9 * sum(work(arch, task).values())
        yield Timing(
            device="here", batch=1, median=slower * took, low=took, high=2 * took, passes=9,
            reference=slower * reference.best, reference_best=reference.best, peak_tensor_bytes=1,
        )  # fmt: skip

    monkeypatch.setattr(modelling, "timings_of", disturbed)
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    (model,) = measure_space(Space.load("digits"), TASK, BUDGET, MeasureOptions(device="cpu"), networks=60)
    assert model.error.median < 0.02


def test_a_kind_of_layer_that_was_measured_on_a_busy_machine_alone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy_beside_a_kernel(arch: Arch, *how: Any) -> list[Timing]:
        rare = any(kind == "depthwise 29" for kind, _ in work(arch, TASK))
        return [replace(timing, reference=1e9 if rare else 1e-9) for timing in timings_of(arch, *how)]

    monkeypatch.setattr("nas.latency.reference_kernel.BURST", 8)
    monkeypatch.setattr(modelling, "timings_of", busy_beside_a_kernel)
    monkeypatch.setattr("nas.analysis.cost_axes.LIMIT", 1.25)
    with pytest.raises(
        InputError,
        match=r"machine must be quiet for a network of every kind of layer, got none with depthwise 29 on .*; e",
    ):
        measure_space(of_many_kernels(), TASK, None, MeasureOptions(device="cpu"), networks=14)


def test_it_is_made_once_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    space, console = Space.load("digits"), Console(record=True, width=500)
    made = model_for(space, TASK, BUDGET, Wanted(device="cpu"), console)
    assert "there is none of" in console.export_text(clear=False)
    assert model_path(made).is_file()
    monkeypatch.setattr(known_models, "make_models", None)  # it would be called
    again = model_for(space, TASK, BUDGET, Wanted(device="cpu"), console)
    assert again.to_dict() == made.to_dict()
    named = model_for(space, TASK, BUDGET, Wanted(device="cuda:7", named="1 thread"), console)
    assert named.device == made.device, "a named one needs no such device"
    with pytest.raises(
        InputError,
        match=r"latency must name one device that was measured on space digits at 8 px and .* got @h100; measured: none; "
        "there: nas measure digits --networks 100 --channels 1 --batch 4 --runtime onnxruntime$",
    ):
        model_for(space, TASK, BUDGET, Wanted(named="h100", batch=4, runtime="onnxruntime"), console)
    assert list(models_in("digits", TASK, Wanted(), QUIET)) == [made.device]
    assert not models_in("digits", Task(16, 1, 10), Wanted(), QUIET)
    assert not models_in("digits", TASK, Wanted(batch=4), QUIET)
    assert not models_in("digits", TASK, Wanted(runtime="onnxruntime"), QUIET)
    with pytest.raises(
        InputError, match=r"latency must be of a device that is here, .* got cuda:7; .* \.\.5ms@DEVICE, or"
    ):
        model_for(space, TASK, BUDGET, Wanted(device="cuda:7"), console)


def test_the_command_that_an_error_gives_makes_the_model_that_is_missing(run: Run) -> None:
    budget, wanted = Budget.parse("50K..400K", latency="..9s"), Wanted(device="cpu", batch=2)
    space, task = Space.load("digits"), Task(12, 1, 10)
    with pytest.raises(
        InputError, match=r"latency must have a model before a dry run, got none of .* at batch 2; nas"
    ) as e:
        model_for(space, task, budget, wanted, QUIET, may_measure=False)
    found = re.search(r"; nas (measure digits .*) makes one$", str(e.value))
    assert found
    assert run(*found[1].replace("100", "10").split())[0] == 0
    model = model_for(space, task, budget, wanted, QUIET, may_measure=False)
    space.check_budget(budget.forecast_by(model), task)


def test_files_that_are_no_model_are_left_out_and_named() -> None:
    space, console = Space.load("digits"), Console(record=True, width=500)
    made = model_for(space, TASK, BUDGET, Wanted(device="cpu"), QUIET)
    Path("devices/package.json").write_text('{"name": "of something else"}')
    Path("devices/broken.json").write_text("{")
    Path("devices/folder.json").mkdir()
    found = model_for(space, TASK, BUDGET, Wanted(device="cpu"), console)
    assert found.to_dict() == made.to_dict()
    said = console.export_text().splitlines()
    assert [line.partition(":")[2].partition(" is left out: ")[0] for line in said] == [
        " devices/broken.json", " devices/folder.json", " devices/package.json"
    ]  # fmt: skip


def test_a_space_of_too_few_networks_and_a_busy_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space.load("digits")
    with pytest.raises(InputError, match=r"networks must be at least 10, got 3; use e\.g\. 20"):
        measure_space(space, TASK, BUDGET, HOW, networks=3)
    few = Space.from_dict({"image_size": 8, "axes": {"stages": [1], "depth": [1, 2], "width": [8]}}, "few", "few.yaml")
    with pytest.raises(
        InputError, match=r"space must hold 20 networks to measure, got .*; ask for fewer --networks, or widen"
    ):
        measure_space(few, TASK, None, HOW, networks=10)
    monkeypatch.setattr("nas.latency.modelling.is_busy", lambda slowdown: True)
    with pytest.raises(
        InputError,
        match=r"machine must be quiet for most of the first 10 networks, got 0 on .*; end other programs and",
    ):
        measure_space(space, TASK, BUDGET, HOW, networks=10)


def test_nothing_is_kept_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "devices").write_text("a file")
    with pytest.raises(InputError, match="devices must be a file that can be written"):
        make_models(Space.load("digits"), TASK, BUDGET, MeasureOptions(device="cpu"), QUIET, networks=10)


def test_by_the_command_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelling, "FEWEST", 4)  # an ONNX file takes seconds
    words = ("measure", "digits", "--channels", 1, "--flops", "50K..400K", "--networks", 5, "--device", "cpu")
    code, out, err = run(*words, "--runtime", "onnxruntime", "--out", "here")
    assert code == 0, err
    (path,) = Path("here").glob("*.json")
    assert path.name.startswith("digits-")
    assert path.name.endswith("-onnxruntime-8px-1ch-batch1.json")
    assert f"here/{path.name}: batch 1, " in out
    assert "median error " in out
    assert LatencyModel.load(path).versions["onnxruntime"] == version("onnxruntime")
    assert {"torch", "onnx"} < LatencyModel.load(path).versions.keys()
    code, out, err = run(*words, "--json")
    assert code == 0, err
    (row,) = json.loads(out)["rows"]
    assert LatencyModel.load(Path(row.pop("file"))).to_dict() == row
    assert "onnx" not in row["versions"], "of torch"
    code, _, err = run("measure", "digits", "--networks", 10, "--flops", "5")
    assert code == 2
    assert err.startswith("error: flops must be a band")
    Path("mine.yaml").write_text(Space.load("digits").to_yaml())
    assert run("measure", "mine.yaml", *words[2:])[0] == 0, "a file with axes is a space"
    code, _, err = run("measure", "nothing", "--networks", 10)
    assert (code, "space must be a YAML file or a preset, got nothing" in err) == (2, True)
