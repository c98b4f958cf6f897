"""Threads of a training: one where several are held up, and as many as there were once they are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from nas.training import threads
from nas.training.threads import EVERY, Threads

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, to be set."""
    now = [0.0]
    monkeypatch.setattr("nas.training.threads.time.monotonic", lambda: now[0])
    return now


def test_one_trains_while_several_are_held_up(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    together, asked = [36e-3], list[int]()

    def seconds(count: int, late: float) -> float:
        asked.append(count)
        torch.set_num_threads(count)
        return 1e-3 if count == 1 else together[0]

    monkeypatch.setattr(threads, "_seconds", seconds)
    of_process = Threads()
    of_process.use(2)
    of_process.fit(CPU)
    assert (torch.get_num_threads(), asked) == (1, [1, 2])
    together[0] = 0.6e-3
    clock[0] = EVERY - 0.1
    of_process.fit(CPU)
    assert (torch.get_num_threads(), asked) == (1, [1, 2]), "a moment ago it was looked at"
    clock[0] = EVERY
    of_process.fit(CPU)
    assert torch.get_num_threads() == 2


def test_afterwards_there_are_as_many_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    of_process = Threads()
    of_process.use(2)
    monkeypatch.setattr(threads, "_seconds", lambda count, late: torch.set_num_threads(count) or count)  # type: ignore[func-returns-value]
    of_process.fit(CPU)
    assert (torch.get_num_threads(), of_process.fell) == (1, True)
    of_process.release()
    assert (torch.get_num_threads(), of_process.fell) == (2, True)
    torch.set_num_threads(1)
    of_process.fit(CPU)
    of_process.release()
    assert torch.get_num_threads() == 1, "who set them meanwhile keeps them"


@pytest.mark.parametrize(("most", "device"), [(1, "cpu"), (2, "cuda")])
def test_nothing_is_looked_at_where_there_is_no_choice(monkeypatch: pytest.MonkeyPatch, most: int, device: str) -> None:
    monkeypatch.setattr(threads, "_seconds", None)  # it would be called
    of_process = Threads()
    of_process.use(most)
    of_process.fit(torch.device(device))
    assert torch.get_num_threads() == most


def test_the_work_is_timed_with_so_many_threads_and_not_to_its_end_where_it_is_late() -> None:
    assert 0 < threads._seconds(2, float("inf")) < 60
    assert torch.get_num_threads() == 2
    assert threads._seconds(1, 0.0) > 0
