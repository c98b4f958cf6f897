"""The compiled weight gradient against torch's, in float64 where a float32 sum could hide a fault."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from space import depthwise
from space.depthwise import KERNELS, OFF, depthwise_conv, kernel, weight_gradient
from space.layers import Conv
from space.modules import build

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler must be installed")


def gradients(function: Any, tensors: tuple[Tensor, ...], upstream: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(function(*tensors), tensors, upstream)


@pytest.fixture
def fresh_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and nothing remembered of another one."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "nas"))
    kernel.cache_clear()
    yield tmp_path / "nas"
    kernel.cache_clear()


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", KERNELS)
@pytest.mark.parametrize(("images", "width", "height", "wide"), [(5, 16, 16, 16), (1, 3, 2, 5), (3, 33, 7, 4)])
def test_gradients_are_torchs(threads: int, size: int, images: int, width: int, height: int, wide: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(size)
        x = torch.randn(images, width, height, wide).contiguous(memory_format=torch.channels_last).requires_grad_()
        weight = torch.randn(width, 1, size, size, requires_grad=True)
        bias = torch.randn(width, requires_grad=True)
        upstream = torch.randn(images, width, height, wide)
        assert depthwise._is_ours(x, weight)
        ours = gradients(depthwise_conv, (x, weight, bias), upstream)
        doubles = tuple(t.detach().double().requires_grad_() for t in (x, weight, bias))
        theirs = gradients(
            lambda x, w, b: F.conv2d(x, w, b, padding=size // 2, groups=width), doubles, upstream.double()
        )
    finally:
        torch.set_num_threads(before)
    for own, exact in zip(ours, theirs, strict=True):
        assert (own - exact).abs().max() < 1e-5 * exact.abs().max()


@needs_compiler
def test_layers_use_it_in_training_alone() -> None:
    layer: Any = build(Conv(8, 8, 7, 1, 3, 8))
    x = torch.randn(2, 9, 9, 8)
    assert type(layer(x).grad_fn.next_functions[0][0]).__name__ == "_DepthwiseConvBackward"
    with torch.no_grad():
        assert torch.equal(
            layer(x), F.conv2d(x.permute(0, 3, 1, 2), layer.weight, layer.bias, 1, 3, 1, 8).permute(0, 2, 3, 1)
        )
    strided: Any = build(Conv(8, 8, 7, 2, 3, 8))
    assert "_DepthwiseConv" not in type(strided(x).grad_fn.next_functions[0][0]).__name__


@needs_compiler
def test_compiled_once_and_kept(fresh_kernel: Path) -> None:
    assert kernel() is not None
    (folder,) = fresh_kernel.iterdir()
    (made,) = folder.iterdir()  # nothing else is left behind
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(made.stat().st_mode) == 0o700
    stamp = made.stat().st_mtime_ns
    kernel.cache_clear()
    assert kernel() is not None
    assert made.stat().st_mtime_ns == stamp


EVIL = "#include <stdlib.h>\n__attribute__((constructor)) void evil(void) { exit(66); }\n"


def give_away(folder: Path, library: Path) -> None:
    os.chown(folder, 12345, -1)


def open_to_all(folder: Path, library: Path) -> None:
    library.chmod(0o777)


def link(folder: Path, library: Path) -> None:
    library.rename(folder.parent / "elsewhere")
    library.symlink_to(folder.parent / "elsewhere")


@needs_compiler
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
@pytest.mark.parametrize("spoil", [give_away, open_to_all, link])
def test_code_that_others_may_have_written_is_not_loaded(
    spoil: Callable[[Path, Path], None], fresh_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library of that name, which would end this process: it is passed over, and left as it is."""
    monkeypatch.setattr(depthwise, "FLAGS", ("-O0", *depthwise.FLAGS[1:]))  # quick
    assert kernel() is not None
    (library,) = fresh_kernel.glob("*/*.so")
    library.unlink()  # the one that is loaded stays whole
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=EVIL.encode(), check=True)
    evil = library.read_bytes()
    spoil(library.parent, library)
    kernel.cache_clear()
    with pytest.warns(UserWarning, match="compiled code must be whole, in a folder and file that only this user "):
        assert kernel() is not None
    assert weight_gradient(torch.ones(1, 5, 5, 4), torch.ones(1, 5, 5, 4), 5).shape == (4, 1, 5, 5)
    assert library.read_bytes() == evil


@pytest.mark.parametrize("how", ["no compiler", "broken compiler", "switched off", "no user ids", "cache not writable"])
def test_torchs_own_where_it_cannot_be(how: str, fresh_kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    match how:
        case "no compiler":
            monkeypatch.setenv("CC", "no-such-compiler")
        case "broken compiler":
            monkeypatch.setenv("CC", "false")
        case "switched off":
            monkeypatch.setenv(OFF, "1")
        case "no user ids":  # Windows, which has no O_NOFOLLOW either
            monkeypatch.delattr(os, "getuid")
            monkeypatch.delattr(os, "O_NOFOLLOW")
        case "cache not writable":
            fresh_kernel.write_text("a file in the folder's place")
    assert kernel() is None
    weight = torch.randn(4, 1, 7, 7, requires_grad=True)
    result = depthwise_conv(torch.randn(2, 4, 8, 8), weight, None)
    (gradient,) = torch.autograd.grad(result.sum(), weight)
    assert gradient.shape == weight.shape
