"""`nas train` and `nas import` from end to end: exports that are as good as they say, fine-tuning, and every refusal."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import zipfile
from argparse import Namespace
from collections.abc import Collection
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file

import nas
import space
from nas.data.dataset import load
from nas.export import formats, verify_subprocess
from nas.export.facts import Facts
from nas.export.formats import verify, write_base, write_formats
from nas.export.load import Preprocess
from nas.final.card import Score, TrainedCard
from nas.final.recipe import FinalRecipe
from nas.final.to_export import _device, _length
from nas.final.training import FinalResult, train_to_end
from nas.latency import runtimes
from space import Arch, InputError, Task
from space.network import Network
from space.weights import timm_model, to_official, to_timm
from tests.nas.conftest import Run
from tests.space.networks import arch
from tests.space.test_weights import four, images, randomise


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fresh processes and the clock, which other tests have seen."""
    monkeypatch.setattr("nas.export.folder.verify", lambda folder, network, files, images: files)
    monkeypatch.setattr("nas.export.folder.BATCHES", ())


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "arch.yaml"
    path.write_text(arch(8, 12, kernel=3, layer_scale=None).to_yaml())
    return path


def test_train_ends_in_an_export_and_fine_tuning_begins_with_one(
    tiny: Path, tmp_path: Path, run: Run, quick: None
) -> None:
    out = tmp_path / "long"
    words = ["--recipe", "brief", "--epochs", 2, "--batch-size", 64, "--workers", 0, "--device", "cpu"]
    code, said, err = run("train", tiny, "--data", "digits", *words, "--out", out, "--json")
    assert (code, "epoch 2/2  loss " in err) == (0, True)
    augmentation = "augmentation: no crops, no image mirrored"
    assert f"{augmentation} (as the data suggests; --flip or --no-flip decides)\n" in err
    assert "\n2 epochs of 1,079 images in batches of 64: 32 steps\n" in err
    assert err.count("note:") == err.count("note: few steps: a smaller --batch-size or more --epochs\n") == 1
    stated = json.loads(said)
    assert stated["before"] is None
    model, preprocess = nas.load_export(out)
    digits = load("digits")
    with torch.no_grad():
        answers = model(preprocess(digits.test.images)).argmax(1).numpy()
    assert (answers == digits.test.labels).mean() == pytest.approx(stated["test_accuracy"], abs=1e-6)
    assert stated["test_accuracy"] > 0.3
    assert {path.name for path in out.iterdir()} == {
        "README.md", "arch.yaml", "curve.csv", "facts.json", "model.safetensors", "modeling.py", "preprocess.json",
        "recipe.yaml", "tensorboard",
    }  # fmt: skip
    assert list((out / "tensorboard").iterdir())
    assert yaml.safe_load((out / "recipe.yaml").read_text())["warmup_epochs"] == pytest.approx(0.06)
    text = (out / "README.md").read_text()
    for words_in in (
        f"test accuracy {stated['test_accuracy']:.2%} (top-1, digits test split, n = 359",
        "fresh weights",
        f"- {augmentation}\n",
    ):
        assert words_in in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arch.yaml", "long"]

    words[3] = 1
    code, told, err = run("train", out / "arch.yaml", "--data", "digits", *words, "--out", tmp_path / "again")
    assert code == 0, err
    accuracies = f"validation {stated['validation_accuracy']:.2%}, test {stated['test_accuracy']:.2%}"
    assert told.startswith(f"trained {out}/arch.yaml (ConvNeXt 1-1, 8-12 ch, k3, ln) for 1 epoch and exported it to ")
    assert f"\n{out}, as it was trained: {accuracies}\n" in told
    shutil.rmtree(tmp_path / "again")

    for i in range(60):
        folder = tmp_path / "three" / f"class{i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 80 * (i % 3) + i // 3, np.uint8)).save(folder / f"{i}.png")
    words = ["--recipe", "finetune", "--epochs", 1, "--flip", "--workers", 0, "--device", "cpu"]
    code, told, err = run("train", out, "--data", tmp_path / "three", *words, "--out", tmp_path / "tuned")
    assert code == 0, err
    assert "as it was trained" not in told, "on other data"
    for said in (
        "note: batch_size 512 is more than the 42 training images, so batches are of 42\n",
        "note: classifier: drawn anew, as 0 of the data's 3 classes are among the export's 10\n",
        "augmentation: random crops after padding by 1 px, half of the images mirrored\n",
    ):
        assert err.count(said) == 1
    saved = yaml.safe_load((tmp_path / "tuned" / "recipe.yaml").read_text())
    assert (saved["batch_size"], saved["flip"]) == (42, True)
    tuned, labels = nas.load_export(tmp_path / "tuned")
    assert labels.classes == ("class0", "class1", "class2")
    before, after = model.state_dict(), tuned.state_dict()
    assert after["head.linear.weight"].shape[0] == 3
    assert after["head.linear.weight"].abs().max() < 0.01  # drawn anew, times .001
    change = (after["stem.conv.weight"] - before["stem.conv.weight"]).abs().max()
    assert 0 < change < 1e-3
    assert "of an export, with a new classifier" in (tmp_path / "tuned" / "README.md").read_text()


def test_a_second_training_to_the_same_place_is_refused(
    tiny: Path, tmp_path: Path, run: Run, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--recipe", "brief", "--epochs", 1, "--workers", 0, "--device", "cpu", "--out", tmp_path / "long"]
    seconds: list[tuple[int, str, str]] = []

    def meanwhile(*given: Any, **rest: Any) -> FinalResult:
        if not seconds:
            seconds.append(run("train", tiny, "--data", "digits", *words))
        return train_to_end(*given, **rest)

    monkeypatch.setattr("nas.final.to_export.train_to_end", meanwhile)
    code, _, err = run("train", tiny, "--data", "digits", *words)
    assert code == 0, err
    ((code, _, err),) = seconds
    said = f"error: out must not be in training already, got {tmp_path / 'long'}, which another nas train is at; wait "
    assert (code, err.splitlines()[-1].startswith(said)) == (2, True)


def test_a_kill_between_checkpoint_and_curve_loses_no_row(
    tiny: Path, tmp_path: Path, run: Run, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--recipe", "brief", "--epochs", 1, "--workers", 0, "--device", "cpu", "--out", tmp_path / "long"]

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("nas.final.training.write_whole", full)
        assert run("train", tiny, "--data", "digits", *words)[0] != 0
    code, _, err = run("train", tiny, "--data", "digits", *words)
    assert code == 0, err
    assert (tmp_path / "long" / "curve.csv").read_text().splitlines()[1].startswith("1,")


def test_train_refuses(tiny: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    code, _, err = run("train", tiny, "--data", "digits", "--out", tmp_path / "there")
    assert (code, "out must be a new folder, got " in err) == (2, True)
    code, _, err = run("train", tiny, "--data", "digits", "--out", tmp_path / "new", "--format", "onx")
    assert (code, "format must be of onnx, pt2, all, got onx; did you mean onnx?" in err) == (2, True)
    monkeypatch.setattr("nas.final.to_export.find_spec", lambda name: None)
    code, _, err = run("train", tiny, "--data", "digits", "--recipe", "convnext", "--out", tmp_path / "new")
    assert (code, err.splitlines()) == (
        2,
        [
            "error: recipe convnext must have timm and torchvision installed for randaugment, mixup, cutmix, erasing, "
            "got none; pip install -e '.[train]' in the clone of nas, or --recipe muon, the default, which needs neither"
        ],
    ), "and the data was not read"


class _Absent:
    """Packages that cannot be imported, as after `make install` alone."""

    names = ("timm", "torchvision", "tensorboard")

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(name)


def test_the_default_recipe_is_muon_and_trains_without_timm(
    tiny: Path, tmp_path: Path, run: Run, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in _Absent.names]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])
    there = find_spec
    monkeypatch.setattr("nas.final.to_export.find_spec", lambda name: None if name in _Absent.names else there(name))
    for i in range(60):
        folder = tmp_path / "two" / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 80 * (i % 2) + i // 2, np.uint8)).save(folder / f"{i}.png")
    words = ["--epochs", 2, "--flip", "--workers", 0, "--device", "cpu"]
    code, _, err = run("train", tiny, "--data", tmp_path / "two", *words, "--out", tmp_path / "long")
    assert code == 0, err
    assert "note: no files for TensorBoard, which is not installed; curve.csv has the curve\n" in err
    assert (tmp_path / "long" / "curve.csv").is_file()
    assert yaml.safe_load((tmp_path / "long" / "recipe.yaml").read_text())["optimizer"] == "muon"
    assert not (tmp_path / "long" / "tensorboard").exists()


def test_a_network_that_only_guesses_is_said_to() -> None:
    rest: dict[str, Any] = {"start": "", "command": "", "seed": 0, "device": "", "curve": (), "versions": {}}
    card = TrainedCard(
        name="n", target="t", before=None, arch=arch(8), data=load("digits"), recipe=FinalRecipe.load("brief"),
        scores=[Score("averaged weights", 0.9, 0.12), Score("weights of the last step", 0.1, 0.9)], **rest,
    )  # fmt: skip
    words = "guessing the largest class gives 10.3%, n = 359; more --epochs or more pictures"
    assert card.chance_line() == f"averaged weights: test accuracy not told from chance: {words}"
    assert "\nmodel.safetensors holds the averaged weights, chosen on the validation split\n" in card.summary("out")
    assert replace(card, scores=[Score("averaged weights", 0.1, 0.5)]).chance_line() == ""


def test_weights_that_are_worse_than_what_they_began_from_are_said_to_be() -> None:
    rest: dict[str, Any] = {"start": "", "command": "", "seed": 0, "device": "", "curve": (), "versions": {}}
    began = Facts(source="digits", fingerprint="", validation=0.72, test=0.76, searched=True)
    card = TrainedCard(
        name="n", target="t", before=(Path("exports/n"), began), arch=arch(8), data=load("digits"),
        recipe=FinalRecipe.load("brief"), scores=[Score("averaged weights", 0.64, 0.68)], **rest,
    )  # fmt: skip
    warning = "these weights are less accurate in validation than those of exports/n: train for longer, or keep those"
    assert card.began() == ["exports/n, as the search left it: validation 72.00%, test 76.00%", warning]
    better = replace(card, scores=[Score("averaged weights", 0.72, 0.68)])
    assert better.began() == card.began()[:1]
    assert replace(card, before=None).began() == []


@pytest.mark.parametrize(("images", "left"), [(189, "61"), (1_079, ""), (128, "")])
def test_images_that_no_batch_takes_are_said(images: int, left: str, capsys: pytest.CaptureFixture[str]) -> None:
    _length(replace(FinalRecipe.load("brief"), batch_size=128, epochs=9), images, Console(stderr=True, width=400))
    said = (
        f"note: {left} of {images} images are left out of each epoch, others each time: a smaller --batch-size has more"
    )
    assert (said in capsys.readouterr().err) == bool(left)


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_process_of_torchrun_has_a_gpu_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told apart from a machine without one by torch's answers alone: this is arithmetic."""
    chosen: list[int] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert _device(name) == torch.device("cuda", 1)
    assert chosen == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(
        InputError, match=r"processes must be at most one for each of the 2 GPUs here, got another; low"
    ):
        _device(name)


@pytest.mark.parametrize("naming", ["timm", "official"])
def test_import_takes_weights_from_outside(naming: str, tmp_path: Path, run: Run, quick: None) -> None:
    network, task = four(layer_scale=1.0), Task(32, 3, 7)
    (tmp_path / "arch.yaml").write_text(network.to_yaml())
    ours = randomise(Network(network, task))
    if naming == "timm":
        path = tmp_path / "weights.safetensors"
        save_file({k: v.contiguous() for k, v in to_timm(ours.state_dict(), network).items()}, path)
    else:
        path, names = tmp_path / "weights.pth", [f"kind{i}" for i in range(7)]
        state = {f"_orig_mod.{name}": value for name, value in to_official(ours.state_dict(), network).items()}
        plain = {name: torch.zeros_like(value) for name, value in state.items()}
        torch.save({"model": plain, "model_ema": state, "args": Namespace(lr=4e-3), "classes": names}, path)
    words = ("import", path, "--as", tmp_path / "arch.yaml", "--image-size", 32, "--out", tmp_path / "out", "--timm")
    code, out, err = run(*words)
    said = (
        "note: weights.pth holds plain weights and averaged ones, the averaged are taken (plain, --no-ema)\n"
        "note: weights.pth: weights from model_ema, without _orig_mod. in their names\n"
    )
    assert (code, err) == (0, "" if naming == "timm" else said)
    assert f"imported {path.name} (names of {'timm' if naming == 'timm' else 'the official ConvNeXt code'}" in out
    model, preprocess = nas.load_export(tmp_path / "out")
    assert preprocess.classes == tuple(f"{'' if naming == 'timm' else 'kind'}{i}" for i in range(7))
    theirs = timm.create_model(
        **json.loads((tmp_path / "out" / "timm.json").read_text()),
        checkpoint_path=str(tmp_path / "out" / "timm.safetensors"),
    ).eval()
    x = images(32)
    with torch.no_grad():
        assert torch.equal(model(x), ours(x))
        torch.testing.assert_close(theirs(x), ours(x), atol=1e-4, rtol=1e-5)
    assert "Not measured here: `nas train`" in (tmp_path / "out" / "README.md").read_text()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, run: Run) -> None:
    words = ("--as", "convnextv2_atto", "--out", tmp_path / "o", "--image-size", 32)
    save_file(Network(arch(8), Task(8, 1, 3)).state_dict(), tmp_path / "e.safetensors")
    code, _, err = run("import", tmp_path / "e.safetensors", *words)
    assert code == 2
    assert "must" in err
    assert not (tmp_path / "o").exists()
    save_file({"stem.x": torch.zeros(3)}, tmp_path / "f.safetensors")
    code, _, err = run("import", tmp_path / "f.safetensors", *words)
    assert (code, "classifier, got no stem and no classifier among names such as stem.x; is it a" in err) == (2, True)


def shrunk(name: str) -> Arch:
    """The first two stages of a named network, with a part of their widths and one block each."""
    plain = Arch.load(name).to_dict()
    plain["stages"] = plain["stages"][:2]
    for stage in plain["stages"]:
        stage |= {"width": max(8, stage["width"] // 16 // 2 * 2), "depth": 1}
    return Arch.from_dict(plain)


RGB = Preprocess(32, 3, (0.5,) * 3, (0.2,) * 3, tuple("0123456789"))
FAMILIES = ("convnextv2_atto", "conv2former_n", "resnet50")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_leaves_in_every_format_for_any_batch_and_size(name: str, tmp_path: Path) -> None:
    ours = randomise(Network(shrunk(name), Task(64, 3, 10)))
    files = write_formats(tmp_path, ours, RGB, ("pt2", "onnx"))
    assert {file.sizes for file in files} == {"from 64 px"}
    x = torch.randn(3, 3, 80, 96)
    with torch.no_grad():
        expected = ours(x)
        torch.testing.assert_close(verify_subprocess.pt2(tmp_path)(x), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(verify_subprocess.onnx(tmp_path)(x), expected, atol=1e-4, rtol=1e-4)
    here = str(Path(space.__file__).parent.parent).encode()  # a path of this machine
    with zipfile.ZipFile(tmp_path / "model.pt2") as parts:
        assert not any(here in parts.read(part) for part in parts.namelist())
    assert here not in (tmp_path / "model.onnx").read_bytes()


def here(kinds: Collection[str], folder: Path, inputs: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """What `run_in_process` does, in this one."""
    models = {kind: verify_subprocess.KINDS[kind](folder) for kind in kinds}
    return {kind: {name: model(x) for name, x in inputs.items()} for kind, model in models.items()}


def test_an_onnx_file_of_more_than_2_gb_keeps_its_weights_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "ONE_FILE", 1000)  # as if it were
    monkeypatch.setattr(formats, "run_in_process", here)
    network = randomise(Network(arch(8, 12), Task(32, 3, 10)))
    files = write_formats(tmp_path, network, RGB, ("onnx",))
    beside = tmp_path / "model.onnx.data"
    (checked,) = verify(tmp_path, network, files, images(32))
    assert checked.size == (tmp_path / "model.onnx").stat().st_size + beside.stat().st_size
    assert beside.stat().st_size > 4 * sum(p.numel() for p in network.parameters()) / 2
    beside.unlink()
    with pytest.raises(Exception, match=r"model\.onnx\.data"):
        verify(tmp_path, network, files, images(32))


def test_timm_checkpoint_gives_equal_logits_and_a_fresh_process_tells_what_modeling_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = randomise(Network(four(), Task(32, 3, 10)))
    files = [*write_base(tmp_path, network, RGB), *write_formats(tmp_path, network, RGB, ("timm",))]
    assert [file.kind for file in files] == ["own", "modeling", "timm"]
    with monkeypatch.context() as patch:
        patch.setattr(formats, "run_in_process", here)
        (checked,) = verify(tmp_path, network, files[2:], images(32))
    assert checked.difference < 1e-4
    assert 'timm.create_model("convnext_tiny", ' in checked.usage
    assert timm_model(network.arch, network.task)["depths"] == [1, 2, 1, 2]
    assert load_file(tmp_path / "timm.safetensors")["head.fc.weight"].shape == (10, 32)
    (tmp_path / "modeling.py").write_text("import numpy\n")
    with pytest.raises(InputError, match=r"modeling must load in a fresh process, got ModuleNotFoundError: .*numpy"):
        verify(tmp_path, network, [files[1]], images(32))
