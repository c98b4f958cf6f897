"""Weights as other code saves them: settings beside them, prefixes before their names, averaged or not, or malicious."""

from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

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


SETTINGS = argparse.Namespace(lr=4e-3, output_dir="runs/1", more=argparse.Namespace(seed=3))  # of training scripts


def assert_holds(path: Path, network: Network, ema: bool | None = None) -> list[str]:
    """The file has this network's weights; returns what was said of it."""
    notes: list[str] = []
    found = Network(network.arch, TASK)
    load_weights(found, read_weights(path, ema, notes.append).tensors)
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    return notes


def test_usual_checkpoints_are_read_and_what_was_taken_off_is_said(plain: Network, tmp_path: Path) -> None:
    contents: dict[str, tuple[Any, str]] = {
        "bare": (official(plain), ""),
        "official": (
            {"model": official(plain), "optimizer": {"step": 3}, "epoch": 3, "scaler": None, "args": SETTINGS},
            "weights from model",
        ),
        "timm": (
            {"state_dict": timms(plain), "arch": "convnext_tiny", "args": SETTINGS, "metric": 82.1},
            "weights from state_dict",
        ),
        "parallel": (timms(plain, "module."), "weights, without module. in their names"),
        "compiled": (
            {"model": timms(plain, "module._orig_mod.")},
            "weights from model, without module._orig_mod. in their names",
        ),
    }
    for name, (content, said) in contents.items():
        path = tmp_path / f"{name}.pth"
        torch.save(content, path)
        assert assert_holds(path, plain) == ([f"{name}.pth: {said}"] if said else [])
    path = tmp_path / "compiled.safetensors"
    save_file({f"_orig_mod.{name}": value.contiguous() for name, value in timms(plain).items()}, path)
    assert assert_holds(path, plain) == ["compiled.safetensors: weights, without _orig_mod. in their names"]


def test_an_option_chooses_between_averaged_and_plain_weights(
    plain: Network, averaged: Network, tmp_path: Path
) -> None:
    path = tmp_path / "both.pth"
    for one, other in (("model", "model_ema"), ("state_dict", "state_dict_ema")):
        torch.save({one: official(plain), other: official(averaged, "module."), "args": SETTINGS}, path)
        for ema, network, taken in ((None, averaged, other), (True, averaged, other), (False, plain, one)):
            said, where, *_ = assert_holds(path, network, ema)
            words = "plain are taken (averaged, --ema)" if ema is False else "averaged are taken (plain, --no-ema)"
            assert said == f"both.pth holds plain weights and averaged ones, the {words}"
            assert where.startswith(f"both.pth: weights from {taken}")
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
        ({"classes": ["dog", "cat"]}, ("dog", "cat")),
        ({"classes": 3}, None),
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
            "checkpoint must be safetensors or torch's of tensors and plain settings, got a.pth "
            f"({got} in it, which was not run); save a state dict"
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
    with pytest.raises(InputError, match=r"checkpoint must be safetensors or torch's .*; save a state dict"):
        read_weights(path)
    assert not ran.exists()


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    def refused(message: str, content: Any) -> None:
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(InputError, match=message):
            read_weights(tmp_path / "a.pth")

    for got, content in (
        ("epoch, net, optimizer", {"epoch": 3, "net": {}, "optimizer": {}, "loss": 1.0}),
        ("nothing", {}), ("a list", [torch.zeros(2)]), ("3", {3: torch.zeros(2)}),
    ):  # fmt: skip
        refused(f"checkpoint must map names to tensors, got {got} in a.pth; save a state dict", content)
    for other in ("_orig_mod.stem.x", "stem.x"):
        two = {"b.stem.x": torch.zeros(2), other: torch.zeros(2)}
        refused("checkpoint must hold one network, got several in a.pth; save the state dict of one", two)
    for name, half in {"b.safetensors": b"half", "c.pth": b"PK", "d.pth": b""}.items():
        (tmp_path / name).write_bytes(half)
        with pytest.raises(InputError, match=r"checkpoint must be safetensors or torch's .*; save a state dict"):
            read_weights(tmp_path / name)
    with pytest.raises(InputError, match=r"checkpoint must be a file, got .*; check the path"):
        read_weights(tmp_path / "gone.pth")
