"""How a network is built again elsewhere: as YAML, in Python, on the command line; and how two networks differ."""

from __future__ import annotations

import json
from typing import Any

from dashboard.number_format import NONE
from nas.analysis.wording import option_words
from space import Arch, Task


def python(arch: Arch, task: Task) -> str:
    """A script that builds the network with fresh weights and runs it once. Needs the package `nas`."""
    plain = json.dumps(arch.to_dict())
    return f'''import json

import torch

from space import Arch, Task, cost
from space.network import Network

arch = Arch.from_dict(json.loads("""{plain}"""))
assert arch.key == "{arch.key}"
task = Task(image_size={task.image_size}, channels={task.channels}, classes={task.classes})
network = Network(arch, task)  # fresh weights
print(cost(arch, task))
print(network(torch.zeros(1, {task.channels}, {task.image_size}, {task.image_size})).shape)
'''


def command(arch: Arch, task: Task, file: str) -> str:
    """Commands on the YAML file of that name. The heredoc makes it."""
    options = f"--image-size {task.image_size} --classes {task.classes} --channels {task.channels}"
    return f"cat > {file} <<'END'\n{arch.to_yaml()}END\nnas show {file} {options}\nnas cost {file} {options}\n"


def differences(one: Arch, other: Arch) -> list[tuple[str, str, str]]:
    """Rows (`stage 1 width`, its value in one, in the other) for every option that differs. Of parts of different kinds
    those that both have, the kind among them; a stage that only one network has is one row, with a dash for the other.
    """
    here, there = _options(one), _options(other)
    rows = []
    for part in max(here, there, key=len):
        ours, theirs = here.get(part), there.get(part)
        if ours is None or theirs is None:
            here_words, there_words = (NONE if found is None else option_words(found) for found in (ours, theirs))
            rows.append((part, here_words, there_words))
            continue
        names = [name for name in ours if name in theirs and ours[name] != theirs[name]]
        rows += [(f"{part} {name}".strip(), _value(ours[name]), _value(theirs[name])) for name in names]
    return rows


def _options(arch: Arch) -> dict[str, dict[str, Any]]:
    """Every part by name, with all its options."""
    found = {"stem": {"kind": arch.stem.name} | arch.stem.to_dict()}
    for number, stage in enumerate(arch.stages, 1):
        plain = stage.to_dict().items()
        found[f"stage {number}"] = {name: value for name, value in plain if number > 1 or name != "downsample"}
    found["head"] = {"kind": arch.head.name} | arch.head.to_dict()
    return found | {"drop path": {"": arch.drop_path}}


def _value(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
