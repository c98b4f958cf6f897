"""ARCH on the command line: an export's network is put to what the export says, unless told otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from nas.export.arch_source import ARCH, PREPROCESS, load_arch, load_network
from nas.export.load import Preprocess
from nas.final.recipe import FinalRecipe
from nas.final.to_export import TrainOptions, _begin
from space import Arch, InputError, Task, cost
from space.reading import find
from tests.nas.conftest import Run

ATTO = Arch.load("convnextv2_atto")
OWN = Task(32, 1, 7)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """What commands read of an export."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / ARCH).write_text(ATTO.to_yaml())
    preprocess = Preprocess(OWN.image_size, OWN.channels, (0.5,), (0.25,), tuple("abcdefg"))
    (folder / PREPROCESS).write_text(preprocess.to_json())
    return folder


def test_an_exports_task_is_its_own_for_the_folder_and_the_file_in_it(export: Path) -> None:
    for target in (export, export / ARCH):
        assert load_network(str(target)) == (ATTO, OWN)
        assert load_network(str(target), image_size=64) == (ATTO, Task(64, 1, 7))
        assert load_network(str(target), channels=3, classes=1000) == (ATTO, Task(32, 3, 1000))


def test_any_other_network_is_put_to_imagenet(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = export / "other.yaml"
    other.write_text(ATTO.to_yaml())
    assert load_network(str(other)) == load_network("convnextv2_atto") == (ATTO, Task())
    (export / PREPROCESS).unlink()
    assert load_arch(str(export / ARCH)) == load_arch(str(export)) == (ATTO, None)
    monkeypatch.chdir(export.parent)
    Path("resnet50").mkdir()
    assert load_arch("resnet50")[0] == Arch.load(find("resnet50", "networks")), "a folder that is no export hides none"


def test_a_folder_that_is_no_export_is_said(tmp_path: Path, export: Path) -> None:
    with pytest.raises(InputError) as refusal:
        load_arch(str(tmp_path))
    assert str(refusal.value) == (
        f"network must be an export with arch.yaml, got the folder {tmp_path}; make one with `nas export`"
    )
    for damaged in ("{", "[]", '{"image_size": 8}', '{"image_size": "8", "channels": 3, "classes": []}'):
        (export / PREPROCESS).write_text(damaged)
        with pytest.raises(InputError, match=r"preprocess.json must be an export's, got .*; export the network again"):
            load_arch(str(export))


def test_every_command_on_a_network_takes_it_and_says_the_task(export: Path, run: Run) -> None:
    counted = cost(ATTO, OWN)
    said = "batch 1, 32 px, 1 channel, 7 classes"
    code, out, _ = run("cost", export)
    assert (code, out.splitlines()[0]) == (
        0,
        f"flops {counted.flops:,} (11.1M; conv + linear multiply-accumulates, {said})",
    )
    (row,) = json.loads(run("cost", export / ARCH, "--json")[1])["rows"]
    assert row == {
        "network": str(export / ARCH), "flops": counted.flops, "params": counted.params, "activations": counted.activations, "key": ATTO.key,
        "image_size": 32, "channels": 1, "classes": 7,
    }  # fmt: skip
    for words, task in (((), said), (("--image-size", 64), "batch 1, 64 px, 1 channel, 7 classes")):
        assert task in " ".join(run("show", export, *words)[1].split())
    code, out, _ = run("measure", export, "--device", "cpu")
    assert (code, out.splitlines()[0]) == (0, f"{ATTO.key} at 32 px, 1 channel, 7 classes")


def test_the_costs_of_many_networks_are_one_table_and_one_list(export: Path, run: Run) -> None:
    names = ("resnet50", "convnext_tiny")
    costs = [cost(Arch.load(name), Task()) for name in names]
    code, out, err = run("cost", *names, "--json")
    assert (code, err) == (0, "")
    assert [(row["network"], row["flops"], row["key"]) for row in json.loads(out)["rows"]] == [
        (name, each.flops, Arch.load(name).key) for name, each in zip(names, costs, strict=True)
    ]
    out = " ".join(run("cost", *names)[1].split())
    for name, each in zip(names, costs, strict=True):
        assert f"{name} {each.flops:,} {each.params:,} {each.activations:,}" in out
    assert "batch 1, 224 px, 3 channels, 1,000 classes." in out
    out = " ".join(run("cost", "resnet50", export)[1].split())
    assert "224 px" in out
    assert "32 px" in out, "each is put to its own task"
    assert json.loads(run("cost", "resnet50", export, "--json")[1])["rows"][1]["image_size"] == OWN.image_size


def test_one_unknown_network_among_many_is_refused(run: Run) -> None:
    code, out, err = run("cost", "resnet50", "convnext_tinny")
    assert (code, out) == (2, "")
    assert err == "error: network must be a YAML file or a preset, got convnext_tinny; did you mean convnext_tiny?\n"
    assert run("cost")[::2] == (2, "error: ARCH must be given, got nothing; see nas cost --help\n")


def test_training_afresh_takes_images_of_the_exports_size(export: Path) -> None:
    (export / PREPROCESS).write_text(Preprocess(32, 1, (0.5,), (0.25,), tuple("0123456789")).to_json())
    for told, size in ((None, 32), (40, 40)):
        order = TrainOptions(target=str(export / ARCH), data="digits", out=export / "out", image_size=told)
        network, data, start = _begin(order, FinalRecipe.load("brief", None, None), Console(quiet=True))
        assert (network.task, data.image_size, start) == (Task(size, 1, 10), size, "fresh weights")


def test_a_trials_network_is_shown_with_its_studys_task(run: Run) -> None:
    runs = ("--runs", Path(__file__).parents[3] / "runs", "--json")
    code, out, _ = run("show", "cifar10", "--trial", 47, *runs)
    own = next(each for each in json.loads(run("trials", "cifar10", *runs)[1])["rows"] if each["trial"] == 47)
    assert code == 0
    assert json.loads(out)["flops"] == own["flops"]
    larger = json.loads(run("show", "cifar10", "--trial", 47, "--image-size", 64, *runs)[1])
    assert larger["flops"] > 3 * own["flops"], "what is told counts"
    code, _, err = run("show", "cifar10", *runs)
    assert (code, err) == (
        2,
        "error: trial must be given for a study, got none for cifar10; nas show cifar10 --trial 0\n",
    )
    code, _, err = run("show", "cifar10", "--trial", 470, *runs)
    assert (code, err) == (2, "error: trial must be one of cifar10 with a network, got 470; see nas trials cifar10\n")
