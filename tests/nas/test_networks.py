"""ARCH on the command line: an export's network is put to what the export says, unless told otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from nas import quick
from nas.exported import Preprocess
from nas.finish import Order, _begin
from nas.full_recipe import FullRecipe
from nas.networks import ARCH, PREPROCESS, load_arch, load_network
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
    assert json.loads(run("cost", export / ARCH, "--json")[1]) == {
        "flops": counted.flops, "params": counted.params, "activations": counted.activations, "key": ATTO.key,
        "image_size": 32, "channels": 1, "classes": 7,
    }  # fmt: skip
    for words, task in (((), said), (("--image-size", 64), "batch 1, 64 px, 1 channel, 7 classes")):
        assert task in " ".join(run("show", export, *words)[1].split())
    code, out, _ = run("measure", export, "--device", "cpu")
    assert (code, out.splitlines()[0]) == (0, f"{ATTO.key} at 32 px, 1 channel, 7 classes")


def test_the_short_way_to_a_cost_takes_it(
    export: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["nas", "cost", str(export), "--json"])
    monkeypatch.setattr("nas.cli.main", None)  # it would fail if it were asked
    quick.main()
    assert json.loads(capsys.readouterr().out)["flops"] == cost(ATTO, OWN).flops


def test_training_afresh_takes_images_of_the_exports_size(export: Path) -> None:
    (export / PREPROCESS).write_text(Preprocess(32, 1, (0.5,), (0.25,), tuple("0123456789")).to_json())
    for told, size in ((None, 32), (40, 40)):
        order = Order(target=str(export / ARCH), data="digits", out=export / "out", image_size=told)
        network, data, start = _begin(order, FullRecipe.load("brief", None, None), Console(quiet=True))
        assert (network.task, data.image_size, start) == (Task(size, 1, 10), size, "fresh weights")
