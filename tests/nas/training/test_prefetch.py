"""Feed: batches against plain indexing, and the thread behind them."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data.images import Pixels
from nas.training.prefetch import batches, fits, resident
from space import InputError

CPU = torch.device("cpu")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
SHAPE = (50, 6, 6, 3)


@pytest.fixture(params=["memory", "mapped", "view"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Pixels:
    """50 different images: in memory, as a mapped file, and as a part of one."""
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    return pixels if request.param == "memory" else mapped(tmp_path / "a.npy", pixels, request.param == "view")


def mapped(path: Path, pixels: Pixels, view: bool = False) -> Pixels:
    np.save(path, np.concatenate([pixels[:7], pixels]) if view else pixels)
    found: Pixels = np.load(path, mmap_mode="r")
    return found[7:] if view else found


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


# batches


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ahead", [1, 3, 20])
def test_batches_are_the_rows_in_order(images: Pixels, device: str, ahead: int) -> None:
    rows = torch.from_numpy(np.random.default_rng(1).integers(0, 50, (11, 8)))
    found = list(batches(images, rows, torch.device(device), ahead))
    assert [batch.device.type for batch in found] == [device] * 11
    assert torch.equal(torch.stack(found).cpu(), torch.from_numpy(np.array(images))[rows])


def test_batches_may_differ_in_size(images: Pixels) -> None:
    rows = torch.randperm(50).split(16)
    found = list(batches(images, rows, CPU))
    assert [len(batch) for batch in found] == [16, 16, 16, 2]
    assert np.array_equal(torch.cat(found).numpy(), images[torch.cat(rows).numpy()])


def test_no_rows_give_no_batches(images: Pixels) -> None:
    assert list(batches(images, [], CPU)) == []
    assert [len(batch) for batch in batches(images, [torch.arange(0)], CPU)] == [0]


def test_a_removed_file_is_still_fed(tmp_path: Path) -> None:
    pixels = np.arange(50, dtype=np.uint8)[:, None, None, None]
    images = mapped(tmp_path / "a.npy", pixels)
    (tmp_path / "a.npy").unlink()
    (batch,) = batches(images, [torch.tensor([9, 2])], CPU)
    assert batch.flatten().tolist() == [9, 2]


def test_the_disk_is_asked_for_the_rows_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = mapped(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8))
    content = (tmp_path / "a.npy").read_bytes()
    asked: list[bytes] = []
    monkeypatch.setattr("os.posix_fadvise", lambda file, start, size, how: asked.append(content[start : start + size]))
    assert len(list(batches(images, torch.tensor([[4, 49, 0], [7, 7, 1]]), CPU))) == 2
    assert asked == [images[row].tobytes() for row in (0, 4, 49, 1, 7, 7)], "in the order in which they lie there"
    assert len(list(batches(images[7:], torch.tensor([[4]]), CPU))) == 1
    assert len(asked) == 6, "where a view's rows lie is not known"


# the thread


def gathered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows with every batch that the thread gathers."""
    take, found = np.take, []

    def counted(*args: object, **options: object) -> object:
        found.append(1)
        return take(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("numpy.take", counted)
    return found


@pytest.mark.parametrize("ahead", [1, 4])
def test_so_many_are_gathered_ahead_and_no_more(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    found = gathered(monkeypatch)
    stream = batches(np.zeros(SHAPE, np.uint8), torch.zeros(30, 2, dtype=torch.int64), CPU, ahead)
    for handed_out in (1, 2, 3):
        next(stream)
        deadline = time.monotonic() + 10
        while len(found) < handed_out + ahead and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(found) == handed_out + ahead


@pytest.mark.parametrize("batch", [0, 3])
def test_errors_of_the_thread_are_raised(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    take, found = np.take, []

    def broken(*args: object, **options: object) -> object:
        found.append(1)
        if len(found) > batch:
            raise OSError("the disk is gone")
        return take(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("numpy.take", broken)
    before, stream = threads(), batches(np.zeros(SHAPE, np.uint8), torch.zeros(9, 2, dtype=torch.int64), CPU)
    for _ in range(batch):
        next(stream)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert threads() == before


@pytest.mark.parametrize("end", ["close", "drop", "exhaust", "error"])
def test_no_thread_is_left_behind(images: Pixels, end: str) -> None:
    before = threads()
    stream = batches(images, torch.zeros(9, 2, dtype=torch.int64), CPU)
    next(stream)
    if end == "close":
        stream.close()  # type: ignore[attr-defined]
    elif end == "exhaust":
        assert len(list(stream)) == 8
    elif end == "error":
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    del stream
    gc.collect()
    assert threads() == before


@pytest.mark.cuda
def test_every_epochs_copies_take_the_same_memory(images: Pixels) -> None:
    rows = torch.from_numpy(np.random.default_rng(1).integers(0, 50, (11, 8)))
    reserved = set()
    for _ in range(40):  # more than torch has streams
        assert len(list(batches(images, rows, torch.device("cuda")))) == 11
        reserved.add(torch.cuda.memory_reserved())
    assert len(reserved) == 1


# where images live


def test_what_fits() -> None:
    assert fits(1000, CPU)
    assert not fits(10**16, CPU)


def test_where_the_system_does_not_say_what_memory_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert fits(10**16, CPU)
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", "64M")
    assert not fits(10**16, CPU)


@pytest.mark.cuda
def test_what_fits_a_device() -> None:
    free = torch.cuda.mem_get_info()[0]
    assert fits(free // 3, torch.device("cuda"))
    assert not fits(free, torch.device("cuda"))


@pytest.mark.parametrize(
    ("text", "limit"), [("4096", 4096), ("64M", 64_000_000), (" 1.5g ", 1_500_000_000), ("2K", 2000)]
)
def test_the_limit_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, limit: int) -> None:
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", text)
    assert fits(limit, CPU)
    assert not fits(limit + 1, CPU)


@pytest.mark.parametrize("text", ["much", "-1", "1M..4M", "M"])
def test_a_limit_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", text)
    with pytest.raises(InputError) as caught:
        fits(1, CPU)
    assert str(caught.value) == (
        f"NAS_DEVICE_DATA_LIMIT must be a number from 1 up, with K, M or G, got {text}; write e.g. 20M"
    )


@pytest.mark.parametrize("device", DEVICES)
def test_resident_images_are_the_same(images: Pixels, device: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = resident(images, torch.device(device))
    assert found.device.type == device
    assert np.array_equal(found.cpu().numpy(), images)


def test_resident_images_on_the_cpu_are_not_copied(images: Pixels) -> None:
    assert resident(images, CPU).data_ptr() == images.ctypes.data
