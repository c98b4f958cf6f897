"""Weights as other code saves them: settings beside them, prefixes before their names, averaged or not, or malicious."""

from __future__ import annotations

import argparse
import datetime
import pickle
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path, PosixPath
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nas.final.outside_weights import read_weights
from space import InputError, Task
from space.network import Network
from space.weights import load_weights, to_official, to_timm
from tests.space.test_weights import four, randomise

TASK = Task(32, 3, 7)


@pytest.fixture(scope="module")
def plain() -> Network:
    return randomise(Network(four(layer_scale=1.0), TASK))


@pytest.fixture(scope="module")
def averaged() -> Network:
    return randomise(Network(four(layer_scale=1.0), TASK), seed=1)


def official(network: Network, prefix: str = "") -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in to_official(network.state_dict(), network.arch).items()}


def timms(network: Network, prefix: str = "") -> dict[str, Tensor]:
    return OrderedDict((f"{prefix}{k}", v) for k, v in to_timm(network.state_dict(), network.arch).items())


class AttributeDict(dict[str, Any]):
    """As Lightning's."""


def lightning(network: Network, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("lightning.fabric.utilities.data")
    module.AttributeDict = AttributeDict  # type: ignore[attr-defined]
    for parent in ("lightning", "lightning.fabric", "lightning.fabric.utilities"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(AttributeDict, "__module__", module.__name__)
    counts: defaultdict[str, int] = defaultdict(int, epochs=3)
    return {
        "state_dict": timms(network, "model."), "hyper_parameters": AttributeDict(lr=1e-3, counts=counts),
        "callbacks": {"ModelCheckpoint": {"best": np.zeros(2), "seen": {1, 2}}}, "pytorch-lightning_version": "2.5",
    }  # fmt: skip


def args() -> argparse.Namespace:
    """Settings as training scripts save them."""
    return argparse.Namespace(
        lr=4e-3, output_dir=PosixPath("runs/1"), started=datetime.datetime(2022, 1, 10, tzinfo=datetime.UTC),
        dtype=np.dtype("float32"), best=np.float64(0.82), device=torch.device("cpu"), version=torch.__version__,
        more=argparse.Namespace(seed=np.int64(3), frozen=frozenset({1}), sizes=torch.Size((1, 2))),
    )  # fmt: skip


def assert_holds(path: Path, network: Network, ema: bool | None = None) -> list[str]:
    """The file has this network's weights; returns what was said of it."""
    notes: list[str] = []
    found = Network(network.arch, TASK)
    load_weights(found, read_weights(path, ema, notes.append).tensors)
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    return notes


def test_usual_checkpoints_are_read_and_what_was_taken_off_is_said(
    plain: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {name.replace("stages.0.", "stages.0._orig_mod.", 1): value for name, value in timms(plain).items()}
    contents: dict[str, tuple[Any, str]] = {
        "bare": (official(plain), ""),
        "official": (
            {"model": official(plain), "optimizer": {"step": 3}, "epoch": 3, "scaler": None, "args": args()},
            "weights from model",
        ),
        "timm": (
            {"state_dict": timms(plain), "arch": "convnext_tiny", "args": args(), "metric": np.float64(82.1)},
            "weights from state_dict",
        ),
        "lightning": (lightning(plain, monkeypatch), "weights from state_dict, without model. in their names"),
        "compiled": (
            {"model": timms(plain, "module._orig_mod.")},
            "weights from model, without _orig_mod., module. in their names",
        ),
        "in part": (parts, "weights, without _orig_mod. in their names"),
        "nested": (
            {"state_dict": {"model": timms(plain, "module.model.net.")}},
            "weights from state_dict.model, without module.model.net. in their names",
        ),
    }
    for name, (content, said) in contents.items():
        path = tmp_path / f"{name}.pth"
        torch.save(content, path)
        assert assert_holds(path, plain) == ([f"{name}.pth: {said}"] if said else [])
    path = tmp_path / "beside.pth"
    for state, off, left in (
        (AveragedModel(plain).state_dict(), "module.", "n_averaged"),
        ({**timms(plain, "net."), "loss.weight": torch.ones(7)}, "net.", "loss.weight"),
    ):
        torch.save(state, path)
        assert assert_holds(path, plain) == [
            f"beside.pth: left out, as they are not below {off}: {left}",
            f"beside.pth: weights, without {off} in their names",
        ]
    path = tmp_path / "compiled.safetensors"
    save_file({f"_orig_mod.{name}": value.contiguous() for name, value in timms(plain).items()}, path)
    assert assert_holds(path, plain) == ["compiled.safetensors: weights, without _orig_mod. in their names"]


def test_an_option_chooses_between_averaged_and_plain_weights(
    plain: Network, averaged: Network, tmp_path: Path
) -> None:
    path = tmp_path / "both.pth"
    for one, other in (("model", "model_ema"), ("state_dict", "state_dict_ema")):
        torch.save({one: official(plain), other: official(averaged, "module."), "args": args()}, path)
        for ema, network, taken in ((None, averaged, other), (True, averaged, other), (False, plain, one)):
            said, where, *_ = assert_holds(path, network, ema)
            words = "plain are taken (averaged, --ema)" if ema is False else "averaged are taken (plain, --no-ema)"
            assert said == f"both.pth holds plain weights and averaged ones, the {words}"
            assert where.startswith(f"both.pth: weights from {taken}")
    for prefix in ("", "model."):
        torch.save({"state_dict": timms(plain, prefix) | timms(averaged, "model.ema.module.")}, path)
        assert_holds(path, averaged)
        assert_holds(path, plain, ema=False)
    torch.save({"model": official(plain), "model_ema": None}, path)
    assert_holds(path, plain)
    with pytest.raises(InputError, match=r"weights must be plain ones in both.pth, which has no others, got --ema; le"):
        read_weights(path, ema=True)
    torch.save({"state_dict_ema": official(averaged)}, path)
    assert_holds(path, averaged)
    with pytest.raises(InputError, match=r"weights must be averaged ones in both.pth, which has no others, got --no-"):
        read_weights(path, ema=False)


def test_class_names_beside_the_weights_are_read(plain: Network, tmp_path: Path) -> None:
    path = tmp_path / "named.pth"
    for beside, expected in (
        ({"class_to_idx": {"dog": 1, "cat": 0}}, ("cat", "dog")),
        ({"class_to_idx": {"dog": 1, "cat": 2}}, None),
        ({"classes": ["dog", "cat"]}, ("dog", "cat")),
        ({"class_names": 3}, None),
        ({}, None),
    ):
        torch.save({"model": official(plain), **beside}, path)
        assert read_weights(path).classes == expected


class Code:
    """Runs something when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w')",)


def test_what_would_run_code_is_refused_by_its_name_in_a_line(plain: Network, tmp_path: Path) -> None:
    ran, path = tmp_path / "ran", tmp_path / "a.pth"

    def refused(got: str) -> None:
        with pytest.raises(InputError) as caught:
            read_weights(path)
        assert str(caught.value) == (
            f"checkpoint must hold tensors and plain settings alone, got {got} in a.pth, which was not run; "
            "save its state dict"
        )
        assert not ran.exists()

    torch.save({"model": official(plain), "args": Code(ran)}, path)
    refused("exec")
    torch.save({"model": official(plain), "args": Code(ran)}, path, _use_new_zipfile_serialization=False)
    refused("exec")
    path.write_bytes(b"cposix\nsystem\n(S'touch " + str(ran).encode() + b"'\ntR.")
    refused("posix.system")
    torch.save({"model": nn.Linear(2, 2)}, path)
    refused("torch.nn.modules.linear.Linear")
    path.write_bytes(pickle.dumps({"model": Code(ran)}))
    with pytest.raises(
        InputError, match=r"checkpoint must be safetensors or torch's, got a.pth \(Unsupported operand \d+\); conv"
    ):
        read_weights(path)
    assert not ran.exists()


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    def refused(message: str, content: Any) -> None:
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(InputError, match=message):
            read_weights(tmp_path / "a.pth")

    refused(r"checkpoint must map names to tensors, got another value at epoch in a.pth; save its state", {"epoch": 3})
    refused(r"checkpoint must map names to tensors, got nothing in a.pth; save its state dict", {})
    refused(r"checkpoint must map names to tensors, got a list in a.pth; save its state dict", [torch.zeros(2)])
    for other in ("_orig_mod.stem.x", "a.stem.x"):
        two = {"b.stem.x": torch.zeros(2), f"{other}": torch.zeros(2), "stem.x": torch.zeros(2)}
        refused(r"checkpoint must hold one network, got several in a.pth; save the state dict of one", two)
    refused(r"checkpoint must map names to tensors, got another value at 3 in a.pth; save its", {3: torch.zeros(2)})
    for name, content in {"b.safetensors": b"half", "c.pth": b"PK", "d.pth": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"checkpoint must be safetensors or torch's, got"):
            read_weights(tmp_path / name)
    with pytest.raises(InputError, match=r"checkpoint must be a file, got .*; check the path"):
        read_weights(tmp_path / "gone.pth")
