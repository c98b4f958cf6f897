"""Feed: images to the device, all of them once where they fit, else batch by batch ahead of the step.

Rows decide what a batch holds, so both ways give the same batches. Rows of a mapped file are asked of the disk
together, in the order in which they lie there, one batch before they are copied: page faults would wait for each alone.
"""

from __future__ import annotations

import mmap
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.images import Pixels
from nas.training.device import stream
from space.budget import parse_count
from space.processor import memory

Order = NDArray[np.int64]

LIMIT = "NAS_DEVICE_DATA_LIMIT"  # bytes, such as 64M: larger data is not placed on the device as a whole
SHARE = 0.5  # of a GPU's free memory, or of the host's, that data may take without a limit
AHEAD = 2  # batches gathered before they are asked for


def fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes of images go to the device as a whole.

    The limit is `$NAS_DEVICE_DATA_LIMIT` (`64M`, `1.5G`), else half of the GPU's free memory, or of the host's memory
    for other devices. Raises InputError for a variable that is no number of bytes.
    """
    if text := os.environ.get(LIMIT):
        return size <= parse_count(text, LIMIT)
    if device.type == "cuda":
        return size <= SHARE * torch.cuda.mem_get_info(device)[0]
    there = memory()
    return there is None or size <= SHARE * there  # on a CPU nothing is copied


def resident(images: Pixels, device: torch.device) -> Tensor:
    """All images on the device: uint8 (N, H, W, C). On the CPU nothing is copied: it must not be written to, and the
    pages of a mapped file are shared by all processes that map it."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch has no read-only tensors
        return torch.from_numpy(images).to(device)


def batches(images: Pixels, rows: Iterable[Tensor], device: torch.device, ahead: int = AHEAD) -> Iterator[Tensor]:
    """Images uint8 (N, H, W, C) by rows, each int64 (B,) on the host -> uint8 (B, H, W, C) on the device, in order.

    A thread gathers up to `ahead` batches before they are asked for, into pinned memory where the device is CUDA; it
    makes no CUDA call, so that graphs may be captured meanwhile. It ends with the iterator: after the last batch, or
    when that is closed or dropped. Its errors are raised here.
    """
    chunks = [np.asarray(chunk) for chunk in rows]
    cuda = device.type == "cuda"
    index = torch.cuda.current_device() if cuda and device.index is None else device.index
    copies = stream(index, "copies") if cuda else None
    coming: deque[Future[Tensor]] = deque()
    with _reading(images) as ask:

        def gather(place: int, buffer: Tensor) -> Tensor:
            for following in chunks[place + (place > 0) : place + 2]:  # each once, one batch before it is copied
                ask(following)
            np.take(images, chunks[place], axis=0, out=buffer.numpy(), mode="clip")  # other modes copy twice
            return buffer

        thread = ThreadPoolExecutor(1)
        try:
            for place in range(len(chunks) + ahead):
                if place < len(chunks):
                    # Pinned memory comes from torch's caching allocator, which hands it out again only after its copy.
                    shape = (len(chunks[place]), *images.shape[1:])
                    buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=cuda)
                    coming.append(thread.submit(gather, place, buffer))
                if place >= ahead:
                    yield _to_device(coming.popleft().result(), device, copies)
        finally:
            thread.shutdown(cancel_futures=True)


def _to_device(batch: Tensor, device: torch.device, copies: torch.cuda.Stream | None) -> Tensor:
    """A copy beside the computation, which the computation waits for."""
    if copies is None:
        return batch.to(device)
    with torch.cuda.stream(copies):
        moved = batch.to(device, non_blocking=True)
    current = torch.cuda.current_stream(device)
    current.wait_stream(copies)
    moved.record_stream(current)
    return moved


@contextmanager
def _reading(images: Pixels) -> Iterator[Callable[[Order], None]]:
    """Asks the system to read rows of a mapped file and does not wait. Other arrays are in memory already.

    By `posix_fadvise` and not `madvise`, as Python lets other threads run during the first only.
    """
    whole: object = images.base  # of a view it is the array that it shows, whose rows are not the file's
    if (
        not isinstance(images, np.memmap)
        or not isinstance(whole, mmap.mmap)
        or not hasattr(os, "posix_fadvise")
        or not Path(str(images.filename)).exists()  # removed since
    ):
        yield lambda rows: None
        return
    size = images.nbytes // len(images)
    with Path(str(images.filename)).open("rb") as file:

        def ask(rows: Order) -> None:
            for start in (images.offset + size * np.sort(rows)).tolist():
                os.posix_fadvise(file.fileno(), start, size, os.POSIX_FADV_WILLNEED)

        yield ask
