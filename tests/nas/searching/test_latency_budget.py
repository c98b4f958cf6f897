"""A search within a latency: held by every network before it is trained, part of the study, measured at the end."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import nas
from nas.analysis.cost_axes import FORECAST
from nas.latency import front_check, measurements
from nas.latency.front_check import Checked
from nas.records.settings import Settings
from nas.storage.reader import Reader
from space import Band, Space, Task
from space.latency_model import LatencyModel
from space.work import UNITS
from tests.brief import measure_briefly
from tests.nas.conftest import Run
from tests.nas.latency.test_measurements import timing
from tests.space.test_latency_model import plain

SEARCH = ("search", "digits", "--data", "digits", "--flops", "100K..2M", "--images", "300", "--device", "cpu")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure_briefly(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)


def model_file(device: str = "phone, 1 thread", nanoseconds: float = 1.0) -> Path:
    """Of a device on which every multiply-accumulate takes so long, and nothing else any time."""
    from space import Space

    made = plain(Space.load("digits"), device=device, fixed=0.0, image_size=8, channels=1)
    made["rates"] = {kind: dict.fromkeys(UNITS, 0.0) | {"macs": nanoseconds} for kind in made["rates"]}
    path = Path("phone.json")
    path.write_text(json.dumps(made))
    return path


@pytest.mark.parametrize("sampler", ["ehvi", "nsga2"])
def test_every_network_that_is_trained_keeps_to_it(run: Run, sampler: str) -> None:
    words = (*SEARCH, "--latency", "0.3ms..0.6ms", "--device-model", model_file(), "--sampler", sampler)
    code, _, err = run(*words, "--trials", 6, "--study", "s")
    assert code == 0, err
    said = " ".join(err.split())
    assert "latency model: batch 1, phone, 1 thread; median error 3.0%, 95% within 10.0%" in said
    assert "100K..2M FLOPs, 0.3 ms to 0.6 ms forecast latency (batch 1, phone, 1 thread)" in said
    assert "latency: the front is not measured here: its latency is of phone, 1 thread" in said
    trained = [trial for trial in Reader(Path("runs/s")).trials() if trial.state in ("complete", "stopped")]
    assert len(trained) == 6
    assert all(300_000 <= (trial.latency or 0) <= 600_000 for trial in trained)
    assert all((trial.flops or 0) <= (trial.latency or 0) for trial in trained), (
        "a nanosecond for each, and for padding"
    )


def test_it_is_part_of_the_study_with_its_model(run: Run) -> None:
    words = (*SEARCH, "--latency", "..0.6ms")
    model = model_file()
    assert run(*words, "--trials", 1, "--device-model", model)[0] == 0
    (folder,) = [path.parent for path in Path("runs").glob("*/study.yaml")]
    assert folder.name == "digits-100K-2M-latency-0.6ms"
    settings = Settings.read(folder)
    assert settings.latency == (1, 600_000)
    assert settings.budget.model is Settings.read(folder).budget.model
    model.unlink()
    assert run(*words, "--trials", 2)[0] == 0, "it goes on with the study's own model"
    code, _, err = run(*words, "--trials", 2, "--device-model", model_file(nanoseconds=2.0))
    assert code == 2
    assert "latency_model" in err
    for other, value in (("batch", 64), ("runtime", "onnxruntime")):
        code, _, err = run(*words, "--trials", 2, f"--{other}", value, "--study", folder.name)
        assert code == 2
        assert f"error: {other} must be " in err
        assert f"which the latency model is of, got {value}; leave it out, or give --study" in " ".join(err.split())
    code, _, err = run(*words[:-1], "..0.6ms@h100", "--trials", 2, "--study", folder.name)
    assert code == 2
    assert "error: latency must be on phone, 1 thread, which the latency model is of, got @h100" in " ".join(
        err.split()
    )
    found = json.loads(run("front", folder.name, "--json")[1])
    assert found["budget"] == {"flops": [100_000, 2_000_000], "latency": [1, 600_000]}


def test_on_this_device_its_model_is_made_first_and_its_front_measured(run: Run) -> None:
    code, _, err = run(*SEARCH, "--latency", "..9s", "--trials", 3, "--study", "s")
    assert code == 0, err
    said = " ".join(err.split())
    assert "yet; networks of space digits are measured first" in said
    front = json.loads(run("front", "s", "--json")[1])["rows"]
    for row in front:
        assert f"latency: trial {row['trial']}: forecast " in said
    assert "outside" not in said
    measured = json.loads(run("front", "s", "--by", "latency", "--json")[1])["rows"]
    assert {row["trial"] for row in measured}
    assert {row["trial"] for row in measured} <= {row["trial"] for row in front}
    (path,) = Path("devices").glob("*.json")
    assert Settings.read(Path("runs/s")).budget.model.to_dict() == LatencyModel.load(path).to_dict()  # type: ignore[union-attr]


def test_a_network_that_is_slower_than_the_limit_by_more_than_the_error_is_marked() -> None:
    def checked(measured: float, busy: str = "", error: float = 0.1, low: int = 1) -> Checked:
        return Checked(3, 4_000_000, measured, Band(low, 5_000_000), error, busy)

    assert str(checked(4.9e6)) == "trial 3: forecast 4 ms, measured 4.9 ms"
    assert str(checked(5.4e6)).endswith("measured 5.4 ms, outside up to 5 ms within the model's error")
    assert str(checked(5.6e6)).endswith("measured 5.6 ms, outside up to 5 ms by more than the model's error")
    assert not checked(6.9e6, error=0.36).left, "a forecast of 5 ms would be 28% off"
    assert checked(8e6, error=0.36).left
    assert checked(1.4e6, error=0.36, low=2_000_000).left, "one of 2 ms 43%"
    assert not checked(1.5e6, error=0.36, low=2_000_000).left
    assert str(checked(5.6e6, "busy 1.8x")).endswith("measured 5.6 ms (busy 1.8x)"), "not judged"
    assert str(checked(5.6e6, "not checked")).endswith(
        "ms (not checked), outside up to 5 ms by more than the model's error"
    )
    beside = Checked(3, 4_000_000, 5.5e6, Band(1, 5_000_000), 0.1, slowdown=1.1)
    assert not beside.outside, "a model is fitted to what a measurement takes without it, too"
    assert str(beside).endswith("measured 5.5 ms (5 ms without what a reference kernel lost beside it)")


def test_what_was_measured_outside_is_said_wherever_a_network_of_it_is_chosen(run: Run) -> None:
    words = (*SEARCH, "--latency", "..0.6ms", "--device-model", model_file(), "--trials", 2, "--study", "s")
    assert run(*words)[0] == 0
    folder = Path("runs/s")
    front = json.loads(run("front", "s", "--json")[1])["rows"]
    assert "latency: trial" not in run("front", "s")[1], "none was measured"
    for trial in Reader(folder).trials():
        assert trial.key is not None
        measurements.keep(folder, "phone, 1 thread", trial.key, {"1": timing(0.5)})
    assert "latency: trial" not in run("front", "s")[1]
    best = front[-1]
    measurements.keep(folder, "phone, 1 thread", best["key"], {"1": timing(0.61)})
    said = [
        f"latency: trial {best['trial']}: forecast {FORECAST.words(best['forecast_latency'])}, measured 0.61 ms, outside up "
        "to 0.6 ms within the model's error",
        "latency: within it as measured: nas export s --by 'latency@phone, 1 thread' --latency ..0.6ms --out exports/s",
    ]
    out = run("front", "s")[1]
    assert " ".join(said) in " ".join(out.split())
    assert re.search(r"forecast\s.*latency\s", out.partition("────")[0], re.DOTALL), "a column of the table"
    assert nas.Study("s").front()["forecast_latency"].iloc[-1] == best["forecast_latency"]
    over = run("front", "s", "--by", "latency")[1]
    assert said[0] in " ".join(over.split()) or f" {best['trial']} " not in over
    assert "forecast" in over
    code, _, err = run("export", "s", "--out", "exports/s")
    assert code == 0, err
    assert all(line in err for line in said)
    assert f"- latency in the search: {said[0].removeprefix('latency: ')}\n" in Path("exports/s/README.md").read_text()
    code, _, err = run(*shlex.split(said[-1].partition("nas ")[2]), "--force")
    assert code == 0, err
    assert "outside" not in err
    from_low = replace(Settings.read(folder), latency=(200_000, 600_000))
    assert " --latency 0.2ms..0.6ms " in front_check.advice(folder, from_low)[0]
    path = folder / "measured.json"
    path.write_text("{")
    assert run("front", "s")[0] == 2, "what cannot be read is not passed over"


def test_a_rough_model_and_one_of_another_space_are_said_to_be_so(run: Run) -> None:
    path = model_file()
    words = (*SEARCH, "--latency", "..0.6ms", "--device-model", path, "--trials", 2, "--dry-run")
    assert "note: " not in run(*words)[2]
    made = json.loads(path.read_text())
    path.write_text(json.dumps(made | {"space": "other", "error": made["error"] | {"median": 0.5}}))
    said = " ".join(run(*words)[2].split())
    assert "note: it was fitted to networks of other, whose layers these have" in said
    assert "note: by so rough a model a limit tells little: nas measure digits" in said
    code, _, err = run(*words, "--batch", 64)
    assert (code, err.endswith("got 64; leave it out, or leave --device-model out\n")) == (2, True)


def test_an_empty_front_is_nothing_to_measure(run: Run) -> None:
    assert run(*SEARCH, "--latency", "..9s", "--trials", 2, "--study", "s")[0] == 0
    folder = Path("runs/s")
    (folder / "journal.log").unlink()
    assert front_check.check_front(folder, Settings.read(folder), "cpu") == []


def test_without_flops_the_band_is_what_the_latency_leaves_room_for(run: Run) -> None:
    words = ("search", "digits", "--data", "digits", "--images", "300", "--device", "cpu", "--latency", "..0.6ms")
    code, _, err = run(*words, "--device-model", model_file(), "--trials", 3)
    assert code == 0, err
    (folder,) = [path.parent for path in Path("runs").glob("*/study.yaml")]
    assert folder.name == "digits-latency-0.6ms"
    band = Settings.read(folder).band
    assert band.low == Space.load("digits").cost_range(Task(8, 1, 10)).low
    assert 600_000 < band.high < 2_400_000, "a nanosecond for each FLOP and more: doubled until none keeps to it"
    assert f"flops: {band}, which the latency leaves room for" in " ".join(err.split())
    assert run(*words, "--trials", 4)[0] == 0, "it goes on within the same"
    assert Settings.read(folder).band == band
    code, _, err = run(*words[:-2], "--trials", 3)
    assert code == 2
    assert "flops must be given, or a latency in their place, got neither; write e.g. 1M..4M" in err


def test_a_latency_with_a_lower_end_needs_no_flops(run: Run) -> None:
    words = ("search", "digits", "--data", "digits", "--images", "300", "--device", "cpu", "--latency", "0.3ms..0.6ms")
    code, _, err = run(*words, "--device-model", model_file(), "--trials", 3)
    assert code == 0, err
    (folder,) = [path.parent for path in Path("runs").glob("*/study.yaml")]
    assert all(300_000 <= (trial.latency or 0) <= 600_000 for trial in Reader(folder).trials())


def test_a_model_of_smaller_networks_is_said_to_be_less_sure(run: Run) -> None:
    words = ("search", "digits", "--data", "digits", "--images", "300", "--device", "cpu", "--latency", "..90ms")
    code, _, err = run(*words, "--flops", "1M..40M", "--device-model", model_file(), "--trials", 1)
    assert code == 0, err
    assert (
        "note: it was fitted to networks of up to 10M FLOPs, and is less sure beyond: nas measure digits --networks 100 --channels 1 --flops 1M..40M"
        in " ".join(err.split())
    )


def test_what_is_wrong_is_refused_before_anything_is_trained(run: Run) -> None:
    model = model_file()
    cases = {
        ("--latency", "5"): "latency must be a band of times with us, ms or s, got 5; write e.g. ..5ms",
        ("--latency", "..5"): "latency must be a band of times with us, ms or s, got ..5; write",
        ("--latency", "..5M"): "latency must be a band of times with us, ms or s, got ..5M; write",
        ("--latency", "5ms..2ms"): "latency must rise from low to high, got 5ms..2ms; write e.g. 2ms..5ms",
        ("--latency", "..5ms@h100"): "latency must name one device that was measured on space digits at 8 px",
        ("--device-model", str(model)): "device-model must stand beside a latency, got phone.json alone; add --latency",
        ("--batch", "64"): "batch must stand beside a latency, got 64 alone; add --latency",
        ("--runtime", "onnxruntime"): "runtime must stand beside a latency, got onnxruntime alone; add --latency",
        (
            "--latency",
            "..5ms",
            "--device-model",
            str(model),
            "--batch",
            "8",
        ): "batch must be 1, which the latency model is of, got 8",
        ("--latency", "..1us", "--device-model", str(model)): "budget must hold a network of space digits, got",
        ("--latency", "..5ms@h100", "--device-model", str(model)): "latency must be on phone, 1 thread, which the",
        ("--latency", "..5ms", "--params", "..10"): "params must be within",
        ("--latency", "..5ms", "--dry-run"): "latency must have a model before a dry run, got none of",
        ("--latency", "..5ms", "--device-model", "none.json"): "device-model must be a file that exists, got none.json",
        ("--latency", "..5ms", "--device-model", str(model), "--image-size", "16"): "latency model must be of 16 px",
    }
    for words, message in cases.items():
        code, _, err = run(*SEARCH, *words, "--trials", 1)
        assert (code, message in " ".join(err.split())) == (2, True), (words, err)
    assert not Path("runs").exists()


def test_from_python(tmp_path: Path) -> None:
    study = nas.search(
        "digits", data="digits", flops="100K..2M", latency="..0.6ms", device_model=model_file(), trials=2, images=300,
        device="cpu", runs=tmp_path / "runs",
    )  # fmt: skip
    assert study.settings.latency == (1, 600_000)
    assert "--latency ..0.6ms" in study.settings.command
    assert "--device-model phone.json" in study.settings.command
