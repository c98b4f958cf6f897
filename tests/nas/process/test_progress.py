"""Long steps: how far, and how long it still takes, in a terminal and in a log."""

from __future__ import annotations

import io
import re

from rich.console import Console

from nas.process.progress import StepLine


class Clock:
    """Time that only passes when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def in_log(clock: Clock) -> Console:
    return Console(file=io.StringIO(), width=80, get_time=clock)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_has_a_line_now_and_then_with_the_time_left() -> None:
    clock = Clock()
    console = in_log(clock)
    steps = StepLine(console, "export", 3)
    with steps.step("validation split", 1_000) as report:
        clock.now += 4
        report(500)
    assert written(console) == "", "what is quick says nothing"
    with steps.step("test split", 10_000) as report:
        for done in range(1_000, 11_000, 1_000):
            clock.now += 5
            report(done)
    assert written(console).splitlines() == [
        "export 2 of 3, test split: 2,000 of 10,000 images, 0:00:40 left",
        "export 2 of 3, test split: 4,000 of 10,000 images, 0:00:30 left",
        "export 2 of 3, test split: 6,000 of 10,000 images, 0:00:20 left",
        "export 2 of 3, test split: 8,000 of 10,000 images, 0:00:10 left",
        "export 2 of 3, test split: 10,000 of 10,000 images, 0:00:00 left",
    ]


def test_what_cannot_be_counted_is_named_as_it_begins_and_says_how_long_it_took() -> None:
    clock = Clock()
    console = in_log(clock)
    steps = StepLine(console, "export", 2)
    clock.now += 11
    with steps.step("model.onnx"):
        clock.now += 300
    assert written(console) == "export 1 of 2, model.onnx\n"
    with steps.step() as report:
        clock.now += 20
        report(1, 4)
    assert written(console).splitlines()[1:] == ["export 2 of 2", "export 2 of 2: 1 of 4 images, 0:01:00 left"]


def test_a_part_without_a_name_is_in_percent() -> None:
    clock = Clock()
    console = in_log(clock)
    with StepLine(console, "auditing s").step(total=8, unit="%") as report:
        clock.now += 20
        report(1)
        clock.now += 20
        report(2.5)
    assert written(console).splitlines() == ["auditing s: 12%, 0:02:20 left", "auditing s: 31%, 0:01:28 left"]


def test_a_terminal_has_a_line_that_goes() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with StepLine(console, "measuring s").step(unit="networks") as report:
        report(3, 12)
    text = re.sub(r"\x1b\[[\d;?]*\w", "", written(console))
    assert "measuring s" in text
    assert "3 of 12 networks" in text
    assert written(console).endswith("\x1b[2K"), "erased"
