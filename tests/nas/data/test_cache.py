"""Cache: what a first start leaves, what the next ones make of it, and builds that come to harm."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache as cache_of_calls
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.data import cache, decoding, hub, images, sources
from nas.data import dataset as data
from space.cache_root import cache_root
from space.processor import cores
from space.reading import InputError

PREAMBLE = """if True:
    import os, sys, time
    from nas.data import dataset as data
    from nas.data import decoding
    from nas.data import sources
    sources.SMALL = 0
    def say(*words): os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # whole lines from all processes
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test, which keeps even the smallest data."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "SMALL", 0)
    return tmp_path / "cache"


@cache_of_calls
def picture(value: int, mode: str = "L", size: int = 8, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (size, size), value if mode == "L" else (value, 0, 9)).save(buffer, kind)
    return buffer.getvalue()


def folders(root: Path, count: int = 8, modes: tuple[str, str] = ("L", "L"), first: int = 0) -> Path:
    """Two class folders; every image has its own value, from `first` on."""
    for index, (name, mode) in enumerate(zip(("cat", "dog"), modes, strict=True)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.png").write_bytes(picture(index * 100 + number + first, mode))
    return root


def parquet(path: Path, count: int = 30, size: int = 8) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"bytes": picture(n % 256, "RGB", size, "JPEG"), "path": None} for n in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": rows, "label": [n % 3 for n in range(count)]}), path)
    return path.parent


def equal(one: data.Data, other: data.Data) -> bool:
    facts = ("name", "classes", "mean", "std", "augment", "fingerprint")
    same = all(getattr(one, fact) == getattr(other, fact) for fact in facts)
    for a, b in zip((one.train, one.validation, one.test), (other.train, other.validation, other.test), strict=True):
        same &= np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
        same &= a.labels.dtype == b.labels.dtype
    return same


def in_memory(root: Path, monkeypatch: pytest.MonkeyPatch, size: int | None = None) -> data.Data:
    """The data as it is without a cache."""
    with monkeypatch.context() as small:
        small.setattr(sources, "SMALL", 10**9)
        return data.load(str(root), size)


def entries(home: Path) -> list[Path]:
    """Whole data sets in a cache, which must hold nothing else but their locks."""
    found = sorted(home.iterdir())
    assert all(path.suffix == ".lock" or path.is_dir() for path in found)
    assert not [path for path in found if path.suffix == ".part"]
    return [path for path in found if path.is_dir()]


def elsewhere(code: str) -> subprocess.Popen[str]:
    """Python code in a fresh process, with `say`, `data` and a cache for all data."""
    command = [sys.executable, "-c", PREAMBLE + code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.splitlines()


def forbid(*_: object, **__: object) -> None:
    raise AssertionError("not needed")


# what is kept


@pytest.mark.parametrize("size", [None, 5])
@pytest.mark.parametrize("kind", ["grey", "colour", "grey, then colour", "with splits", "parquet"])
def test_the_cache_changes_nothing(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, kind: str, size: int | None
) -> None:
    root = tmp_path / "set"
    if kind == "parquet":
        parquet(root / "data" / "train-0.parquet", 100)
        parquet(root / "data" / "test-0.parquet", 10)
    elif kind == "with splits":
        for place, split in enumerate(("train", "val", "test")):
            folders(root / split, first=20 * place)
    else:
        modes = {"grey": ("L", "L"), "colour": ("RGB", "RGB"), "grey, then colour": ("L", "RGB")}
        folders(root, 90, modes[kind])
    plain = in_memory(root, monkeypatch, size)
    assert not home.exists(), "small data is not kept"
    built = data.load(str(root), size)
    monkeypatch.setattr(sources, "_folder", forbid)
    kept = data.load(str(root), size)
    assert equal(plain, built)
    assert equal(plain, kept)
    assert len(entries(home)) == 1
    for part in (kept.train, kept.validation, kept.test):
        assert isinstance(part.images, np.memmap)
        assert not part.images.flags.writeable


def test_hugging_face_is_not_loaded_where_the_cache_has_the_data(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    fingerprint = data.load(str(root)).fingerprint
    code = f"say(data.load({str(root)!r}).fingerprint, 'datasets' in sys.modules, 'torch' in sys.modules)"
    assert said(elsewhere(f"    {code}")) == [f"{fingerprint} False False"]


def test_sizes_are_kept_apart(tmp_path: Path, home: Path) -> None:
    root = folders(tmp_path / "a set")
    assert [data.load(str(root), size).image_size for size in (4, 6, None, 4)] == [4, 6, 8, 4]
    assert [path.name.rpartition("-")[0] for path in entries(home)] == ["a_set-4px", "a_set-6px", "a_set-own"]


def test_a_moved_folder_is_known_under_its_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folders(tmp_path / "set" / "cats")
    before = data.load(str(root))
    root.parent.rename(tmp_path / "elsewhere")
    monkeypatch.setattr(sources, "_folder", forbid)
    assert equal(data.load(str(tmp_path / "elsewhere" / "cats")), before)


def rewrite(root: Path) -> None:
    """Other pixels in a file of the same size and time."""
    path, other = root / "cat" / "5.png", picture(77)
    stat = path.stat()
    assert len(other) == stat.st_size
    path.write_bytes(other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("change", ["rewrite", "add", "rename", "remove"])
def test_a_changed_source_is_decoded_anew(tmp_path: Path, home: Path, change: str) -> None:
    root = folders(tmp_path / "set")
    before = data.load(str(root)).fingerprint
    if change == "rewrite":
        rewrite(root)
    elif change == "add":
        (root / "dog" / "new.png").write_bytes(picture(200))
    elif change == "rename":
        (root / "dog").rename(root / "emu")
    else:
        (root / "dog" / "3.png").unlink()
    after = data.load(str(root))
    assert after.fingerprint != before
    assert len(entries(home)) == 2


def test_hidden_files_are_no_part_of_the_source(tmp_path: Path, home: Path) -> None:
    root = folders(tmp_path / "set")
    data.load(str(root))
    (root / ".DS_Store").write_bytes(b"x")
    (root / ".thumbs").mkdir()
    (root / ".thumbs" / "0.png").write_bytes(picture(3))
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    data.load(str(root))
    assert len(entries(home)) == 1


def test_other_versions_decode_anew(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folders(tmp_path / "set")
    data.load(str(root))
    monkeypatch.setattr(cache, "version", lambda package: "0.1")
    data.load(str(root))
    assert len(entries(home)) == 2


def test_a_hub_data_set_is_known_by_its_fingerprint(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's answer is made up: a local folder under other names, loaded as `datasets` loads it."""
    import datasets  # type: ignore[import-untyped]

    def answer(source: str, repository: str) -> hub.Tables:
        found: hub.Tables = datasets.load_dataset(str(tmp_path / repository), cache_dir=str(tmp_path / "hub"))
        return found

    for name, count in (("one/cats", 30), ("two/cats", 60)):
        parquet(tmp_path / name / "train.parquet", count)
        parquet(tmp_path / name / "validation.parquet", 9)
    monkeypatch.setattr(hub, "_load", answer)
    first, second = data.load("hf:one/cats"), data.load("hf:two/cats")
    assert (first.name, len(first.test.labels), len(first.validation.labels)) == ("cats", 9, 3)
    assert first.fingerprint != second.fingerprint
    assert first.look
    assert first.look.came_from["test"] == "the hub's split validation"
    assert hub.hub_id(first.source, first.look) == "one/cats"
    assert hub.hub_id("cifar10", first.look) == "uoft-cs/cifar10"
    monkeypatch.setattr(decoding, "fit", forbid)
    assert equal(data.load("hf:one/cats"), first)
    assert len(entries(home)) == 2


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_root() == Path(os.environ["NAS_CACHE"])
    monkeypatch.setenv("NAS_CACHE", "~/c")
    assert cache_root() == Path.home() / "c"
    monkeypatch.delenv("NAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert cache_root() == Path("/some/where/nas")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "nas"


def test_what_a_build_needs_besides_is_in_its_own_folder(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is on the disk that was chosen, and goes with what a killed build leaves."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    data.load(str(folders(tmp_path / "set")))
    assert len(list(entries(home)[0].iterdir())) == 7


def test_progress_is_told(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    data.load(str(folders(tmp_path / "set", 90)), on_progress=lambda done, total: steps.append((done, total)))
    assert [total for _, total in steps] == [180] * len(steps)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert steps[-1] == (180, 180)
    assert len(steps) > 2


# harm


@pytest.mark.parametrize("harm", ["images", "longer", "labels", "no labels", "card", "empty card", "old card"])
def test_a_damaged_cache_is_built_again(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    root, notes = folders(tmp_path / "set"), list[str]()
    before = in_memory(root, monkeypatch)
    data.load(str(root), on_note=notes.append)
    assert notes == []
    (entry,) = entries(home)
    if harm == "images":
        with (entry / "train.npy").open("r+b") as file:
            file.truncate(500)
    elif harm == "longer":
        with (entry / "train.npy").open("ab") as file:
            file.write(b"x")
    elif harm == "labels":
        (entry / "test.labels.npy").write_bytes(b"")
    elif harm == "no labels":
        (entry / "test.labels.npy").unlink()
    else:
        (entry / "card.json").write_text({"card": "{", "empty card": "", "old card": '{"classes": []}'}[harm])
    assert equal(data.load(str(root), on_note=notes.append), before)
    assert len(notes) == 1
    assert notes[0].startswith(f"the cache {entry} is damaged (")
    assert notes[0].endswith("); decoding again")
    assert data.load(str(root), on_note=notes.append).fingerprint == before.fingerprint
    assert len(notes) == 1
    assert entries(home) == [entry]


SLOW = """
    decode = decoding.fit
    def slow(*args):
        say("worker", os.getpid())
        time.sleep({seconds})
        return decode(*args)
    decoding.fit = slow
    say(data.load({root!r}, on_note=say).fingerprint)"""


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("then", ["the same data", "other data"])
def test_a_killed_build_leaves_no_trap(tmp_path: Path, home: Path, then: str) -> None:
    root, other = folders(tmp_path / "set"), folders(tmp_path / "other", 9)
    killed = elsewhere(SLOW.format(seconds=60, root=str(root)))
    assert killed.stdout
    worker = int(killed.stdout.readline().split()[1])
    assert len(list(home.glob("*.part"))) == 1
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(worker)
    assert len(list(home.glob("*.part"))) == 1, "left by the killed one"
    data.load(str(root if then == "the same data" else other))
    assert len(entries(home)) == 1, "the next build removes it"
    data.load(str(root))


def test_two_builds_at_once(tmp_path: Path, home: Path) -> None:
    root = folders(tmp_path / "set")
    both = [elsewhere(SLOW.format(seconds=0.1, root=str(root))) for _ in range(2)]
    lines = [said(process) for process in both]
    assert lines[0][-1] == lines[1][-1] == data.load(str(root)).fingerprint
    waited = [[line for line in found if line.startswith("waiting for another process")] for found in lines]
    assert sorted(map(len, waited)) == [0, 1]
    decoded = sum(line.startswith("worker") for found in lines for line in found)
    assert decoded == 16, "each image once"
    assert len(entries(home)) == 1


def refusal(root: Path, home: Path) -> str:
    with pytest.raises(InputError) as caught:
        data.load(str(root), 1000)
    assert "\n" not in str(caught.value)
    assert entries(home) == []
    return str(caught.value)


def test_a_full_disk_is_known_before(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, almost = folders(tmp_path / "set"), shutil.disk_usage(tmp_path)._replace(free=15_999_999)
    monkeypatch.setattr("shutil.disk_usage", lambda path: almost)
    monkeypatch.setattr(decoding, "fit", forbid)
    assert refusal(root, home) == (
        f"disk must have 32MB free for the decoded images, got 16MB in {home}; "
        "free some, or set NAS_CACHE (TMPDIR for small data) to a folder on another disk"
    )


@pytest.mark.parametrize("place", ["os.posix_fallocate", "nas.data.arrays.Files.write"])
def test_a_disk_that_fills_up_meanwhile(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(place, full)
    assert refusal(folders(tmp_path / "set"), home) == (
        f"disk must have room to decode the data, got none left in {home}; "
        "free some, or set NAS_CACHE (TMPDIR for small data) to a folder on another disk"
    )


@pytest.mark.parametrize("small", [0, 10**9])
def test_a_disk_without_room_for_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources, "SMALL", small)
    monkeypatch.setattr("datasets.load_dataset", full)
    root = parquet(tmp_path / "set" / "train.parquet")
    with pytest.raises(InputError) as caught:
        data.load(str(root))
    start, end = str(caught.value).split(", got none left in ")
    assert start == f"disk must have room for a copy of {root} while it is read"
    assert end.endswith("; free some, or set NAS_CACHE (TMPDIR for small data) to a folder on another disk")


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError) as caught:
        data.load(str(folders(tmp_path / "set")))
    assert str(caught.value) == (
        f"NAS_CACHE must be a folder that can be written, got {tmp_path / 'file' / 'cache'} (Not a directory); "
        "set it to another"
    )


def test_a_source_that_changes_meanwhile(tmp_path: Path, home: Path) -> None:
    root = folders(tmp_path / "set")
    with pytest.raises(InputError) as caught:
        data.load(str(root), on_progress=lambda done, total: rewrite(root))
    assert str(caught.value) == (f"data must stay as it is while it is read, got changed files in {root}; start again")
    assert entries(home) == []


def test_a_corrupt_image_is_named_by_a_worker(tmp_path: Path, home: Path) -> None:
    bad = folders(tmp_path / "set") / "dog" / "3.png"
    bad.write_bytes(b"junk")
    assert refusal(tmp_path / "set", home) == (
        f"train row 11 ({bad}) must be a readable image, got an unknown format; mend or remove it, or leave it out with --skip-broken (the only one of 16 images)"
    )


def test_a_process_that_is_killed_while_it_decodes_ends_nothing(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real, fatal = folders(tmp_path / "set"), images.fit, tmp_path / "fatal"
    wanted = in_memory(source, monkeypatch)
    fatal.touch()

    def once(*args: Any) -> Any:
        with suppress(FileNotFoundError):
            fatal.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    monkeypatch.setattr(decoding, "fit", once)
    assert equal(data.load(str(source)), wanted)
    assert not fatal.exists()


def test_a_worker_that_is_killed(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "fit", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert refusal(folders(tmp_path / "set"), home) == (
        f"data must be decoded by {cores()} processes, got one killed (out of memory?); free memory and start again"
    )


# larger than memory


EPOCH = """
    import threading
    import numpy as np
    import torch
    from nas.training import prefetch as feed
    torch.set_num_threads(1)
    def memory():
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    def highest():
        while True:
            peak[0] = max(peak[0], memory())
            time.sleep(0.005)
    torch.zeros(10).sum()
    import datasets
    peak = [0]
    threading.Thread(target=highest, daemon=True).start()
    before = memory()
    loaded = data.load({root!r}, 128)
    say("load", peak[0] - before)
    images, device = loaded.train.images, torch.device("cpu")
    say("fits", feed.fits(images.nbytes, device))
    peak[0] = before = memory()
    seen = 0
    for batch in feed.batches(images, torch.randperm(len(images))[:2048].view(-1, 32), device):
        seen += batch.nbytes
    say("epoch", peak[0] - before)
    say("seen", seen)
    whole = np.array(images)
    time.sleep(0.05)
    say("whole", peak[0] - before)"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_memory_stays_flat_with_data_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", "20M")
    root = parquet(tmp_path / "set" / "train.parquet", 3000)
    found = dict(line.split() for line in said(elsewhere(EPOCH.format(root=str(root)))))
    assert found["fits"] == "False"
    assert int(found["seen"]) == 2048 * 128 * 128 * 3 > 100_000_000
    assert int(found["whole"]) > 100_000_000, "the measure sees images in memory"
    assert int(found["load"]) < 100_000_000
    assert int(found["epoch"]) < 20_000_000
