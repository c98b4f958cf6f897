"""Depthwise convolution whose weight gradient on a CPU takes about a tenth of torch's time, given a C compiler.

oneDNN's own costs 10 to 20 forward passes for kernels from 5 on; `depthwise.c` beside this file does the same sums.
It is compiled once for this machine, in about a second, and kept in a folder of the cache that only this user may
write: it is code, and a cache may be shared. Without a compiler, on other devices and in other precisions torch's own
gradient is used.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from space.cache_root import cache_root
from space.file_permissions import is_private
from space.processor import instructions

SOURCE = Path(__file__).with_name("depthwise.c")
KERNELS = (5, 7, 9, 11)  # of 3, torch's is as fast
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
OFF = "NAS_NO_COMPILER"  # environment: set to anything, torch's own gradient is used; NAS_CACHE: another cache

Kernel = Callable[..., int]


def depthwise_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Depthwise convolution, stride 1, padding K // 2: maps (N, C, H, W), weight (C, 1, K, K) -> (N, C, H, W)."""
    if _is_ours(x, weight):
        result: Tensor = _DepthwiseConv.apply(x, weight, bias)
        return result
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))


def _is_ours(x: Tensor, weight: Tensor) -> bool:
    return (
        weight.requires_grad
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and weight.shape[-1] in KERNELS
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and not torch.compiler.is_compiling()
        and kernel() is not None
    )


class _DepthwiseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        edge = [weight.shape[-1] // 2] * 2
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [1, 1], edge, [1, 1], False, [0, 0], len(weight), [True, False, False]
            )[0]
        g, maps = (t.permute(0, 2, 3, 1).contiguous() for t in (gradient, x))  # (N, H, W, C); no copy of NHWC maps
        of_bias = g.flatten(0, 2).sum(0) if ctx.has_bias else None
        return of_x, weight_gradient(maps, g, weight.shape[-1]), of_bias


def weight_gradient(x: Tensor, gradient: Tensor, size: int) -> Tensor:
    """Maps and output gradients (N, H, W, C), float32, contiguous, on the CPU -> (C, 1, K, K) for kernel size K."""
    compiled = kernel()
    assert compiled is not None
    n, h, w, c = x.shape
    parts = min(torch.get_num_threads(), n)
    sums = torch.empty(parts, size * size, c)
    if compiled(x.data_ptr(), gradient.data_ptr(), sums.data_ptr(), n, h, w, c, size, parts):
        raise MemoryError("depthwise weight gradient: no memory for one image's maps")
    return sums.sum(0).t().reshape(c, 1, size, size)


@cache
def kernel() -> Kernel | None:
    """The compiled function, compiling it where this machine has not yet; None where that cannot be."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or os.environ.get(OFF) or not hasattr(os, "getuid"):  # Windows: what is private is not known
        return None
    try:
        function = _library(compiler).nas_depthwise_weight
    except (OSError, subprocess.SubprocessError):
        return None
    function.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int] * 6
    function.restype = ctypes.c_int
    return function


def _library(compiler: str) -> ctypes.CDLL:
    """The library for this source, compiler and processor, from the cache; where others may write there, one of this
    process's own."""
    source = SOURCE.read_bytes()
    # a cache may be shared by machines that differ
    about = repr((source, compiler, FLAGS, platform.machine(), instructions()))
    folder = cache_root() / f"compiled-{os.getuid()}"  # the cache may be shared
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"depthwise-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"
    if is_private(folder.lstat()):
        if not path.exists():
            _compile(compiler, path)
        if library := _load(path):
            return library
    warnings.warn(
        f"compiled code must be whole, in a folder and file that only this user writes, got {path}; it was compiled "
        "anew, for this process: remove that folder",
        stacklevel=2,
    )
    with tempfile.TemporaryDirectory() as scratch:
        own = Path(scratch) / path.name
        _compile(compiler, own)
        return ctypes.CDLL(str(own))


def _compile(compiler: str, path: Path) -> None:
    """Made aside and renamed."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(made)], check=True, capture_output=True)
        made.chmod(0o700)
        made.replace(path)


def _load(path: Path) -> ctypes.CDLL | None:
    """None for a file that others may write, a link, and one that is damaged. What was looked at is what is loaded."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        opened = Path(f"/proc/self/fd/{file}")
        return ctypes.CDLL(str(opened if opened.exists() else path)) if is_private(os.fstat(file)) else None
    except OSError:
        return None
    finally:
        os.close(file)
