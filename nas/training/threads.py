"""How many threads to train with on a CPU that other programs use, too."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

EVERY = 2.0  # seconds between looks
RUNS = 7  # of the work that is timed, a millisecond each
LATE = 4  # times what one thread takes, from which on a run was held up
ROWS, WIDTH, WIDER = 64, 256, 1024


@dataclass(slots=True)
class Threads:
    """As many as torch was given, or one while that is quicker: threads that share a step wait for each other at its
    every operation, so that a single one without a core holds all of them up, until the system gives it one.
    """

    most: int = 0  # 0: as many as torch has when it is first asked
    fell: bool = False  # whether it came down to one since `use`
    _looked: float = -math.inf

    def use(self, count: int) -> None:
        """From now on as many."""
        self.most, self.fell = count, False
        torch.set_num_threads(count)

    def release(self) -> None:
        """Gives back what a training came down from: torch's threads are whoever's again."""
        torch.set_num_threads(self.most or torch.get_num_threads())
        self.most = 0

    def fit(self, device: torch.device) -> None:
        """Sets torch's threads by a look at how busy the machine is, where there is a choice, and none was a moment
        ago."""
        self.most = self.most or torch.get_num_threads()
        if self.most == 1 or device.type != "cpu" or time.monotonic() - self._looked < EVERY:
            return
        alone = _seconds(1, math.inf)
        if _seconds(self.most, LATE * alone) > alone:
            torch.set_num_threads(1)
            self.fell = True
        self._looked = time.monotonic()


THREADS = Threads()  # of this process, as torch's are


def _seconds(threads: int, late: float) -> float:
    """Of an inverted bottleneck, the median; the second run that is late ends it."""
    torch.set_num_threads(threads)
    x, a, b = torch.ones(ROWS, WIDTH), torch.ones(WIDTH, WIDER), torch.ones(WIDER, WIDTH)
    took = list[float]()
    with torch.inference_mode():
        while len(took) < RUNS and sum(each > late for each in took) < 2:
            began = time.perf_counter()
            F.gelu(x @ a) @ b
            took.append(time.perf_counter() - began)
    return sorted(took)[len(took) // 2]
