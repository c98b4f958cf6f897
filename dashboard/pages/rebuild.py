"""How a network is built again elsewhere: as YAML, in Python, on the command line; and how two networks differ."""

from __future__ import annotations

import json

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
    """Rows (part, its options in one, in the other) for every part in which any option differs; empty text where a
    network has no such part."""
    here, there = _options(one), _options(other)
    rows = [(name, here.get(name, ""), there.get(name, "")) for name in max(here, there, key=len)]
    return [row for row in rows if row[1] != row[2]]


def _options(arch: Arch) -> dict[str, str]:
    """Every part by name, with all its options in words."""
    found = {"stem": f"{arch.stem.name}, {option_words(arch.stem.to_dict())}"}
    for number, stage in enumerate(arch.stages, 1):
        plain = {name: value for name, value in stage.to_dict().items() if number > 1 or name != "downsample"}
        found[f"stage {number}"] = option_words(plain)
    found["head"] = f"{arch.head.name}, {option_words(arch.head.to_dict())}"
    return found | {"drop path": f"{arch.drop_path:g}"}
