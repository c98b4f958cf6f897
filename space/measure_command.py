"""The command that makes a latency model, for errors where one is missing or of other images; measures nothing."""

from __future__ import annotations

import re

from space.arch import Task
from space.latency_model import LatencyModel
from space.reading import InputError
from space.structure import Structure


def measure_command(space: Structure, task: Task, batch: int = 1, options: str = "") -> str:
    """Of a space at a size of images and a batch, on the machine where it is given; `options`: what else it says, as
    `options_of`."""
    usual = (("image-size", task.image_size, space.image_size), ("channels", task.channels, 3), ("batch", batch, 1))
    said = "".join(f" --{name} {value}" for name, value, default in usual if value != default)
    return f"nas measure {space.name} --networks 100{said}{options}"


def command_like(model: LatencyModel, space: Structure, task: Task) -> str:
    """The same for one of the device, runtime and batch of another."""
    return measure_command(space, task, model.batch, options_of(model.device))


def options_of(device: str) -> str:
    """What measures under that name on its machine: ` --threads 2 --runtime onnxruntime`; empty for the defaults."""
    found = re.search(r", (\d+) threads?(?:, (\w+))?$", device)
    threads, runtime = found.groups() if found else ("1", None)
    return f" --threads {threads}" * (threads != "1") + f" --runtime {runtime}" * (runtime is not None)


def check_images(model: LatencyModel, space: Structure, task: Task) -> None:
    """Raises InputError where the model is of images of another size."""
    mine, asked = (model.image_size, model.channels), (task.image_size, task.channels)
    if mine != asked:
        raise InputError(
            f"latency model must be of {asked[0]} px and {asked[1]} channels, got one of {mine[0]} px and {mine[1]}; "
            f"measure that: {command_like(model, space, task)}"
        )
