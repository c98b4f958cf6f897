"""Memory between trainings: kept while one runs, given back after it."""

from __future__ import annotations

import ctypes
import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

_NO_ROOM = ("can't allocate memory", "out of memory", "bad_alloc", "alloc_failed", "overflow")  # in errors, lower case
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None


def keep_freed_memory() -> None:
    """Lets glibc reuse large buffers. By default each is mapped and unmapped again, and its pages are faulted in and
    cleared at every step: a tenth of a training's time on a CPU. Does nothing without glibc."""
    if library := _glibc():
        library.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Garbage is looked for among what came to be inside. Looking through all that was imported before, after each
    training, took .2 s of it."""
    own = gc.get_freeze_count() == 0
    if own:
        gc.freeze()
    try:
        yield
    finally:
        if own:
            gc.unfreeze()


def give_back_memory() -> None:
    """Returns what is free to the system and to other processes of the GPU."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if library := _glibc():
        library.malloc_trim(0)


def is_for_room(error: Exception) -> bool:
    """Whether it is for lack of memory, which torch has no one class for: its CPU's allocator raises RuntimeError, and
    a size that no number holds TypeError too."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in said for words in _NO_ROOM)


def forget_locals(error: BaseException) -> None:
    """Empties the frames that an error's traceback holds, and those of the errors behind it, but for what still runs:
    else all that they were at work on stays until the error itself goes. Where it was raised is kept."""
    behind: BaseException | None = error
    while behind is not None:
        traceback.clear_frames(behind.__traceback__)
        behind = behind.__context__
