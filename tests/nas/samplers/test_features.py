"""Features: what a network's plain form says, for every part of the vocabulary."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from nas.samplers.features import LIMIT, Features, network_features
from space import Arch, Space, Task, cost

SPACES = ("digits", "convnext_32", "conv2former_32", "convnext_or_modulation_32", "roadmap_32", "roadmap_224")


def from_plain(arch: Arch, task: Task) -> dict[str, float]:
    """The same features by the long way: from the plain form, option by option."""
    plain, counted = arch.to_dict(), cost(arch, task)
    stages = plain["stages"]
    depths = [stage.pop("depth") for stage in stages]
    widths = [stage.pop("width") for stage in stages]
    found: dict[str, float] = {
        "flops": math.log(counted.flops), "params": math.log(counted.params), "depth": float(sum(depths)),
        "activations": math.log(counted.activations), "stages": float(len(stages)), "drop_path": plain["drop_path"],
        "first width": math.log(widths[0]), "last width": math.log(widths[-1]),
    }  # fmt: skip

    def put(name: str, value: Any, weight: float) -> None:
        if type(value) not in (int, float):
            name, value = f"{name}={value}", 1.0
        found[name] = found.get(name, 0.0) + weight * value

    for part in ("stem", "head"):
        for option, value in plain[part].items():
            put(f"{part}.{option}", value, 1.0)
    for i, (stage, depth) in enumerate(zip(stages, depths, strict=True), 1):
        found[f"share.{i}"] = depth / sum(depths)
        for option, value in stage.items():
            put(option, value, depth / sum(depths))
            word = type(value) not in (int, float)
            found[f"{option}={value}.{i}" if word else f"{option}.{i}"] = 1.0 if word else value
    return found


@pytest.mark.parametrize("name", SPACES)
def test_features_are_those_of_the_plain_form(name: str) -> None:
    space, rng = Space.load(name), random.Random(0)
    task = Task(space.image_size, 3, 10)
    for _ in range(40):
        arch = space.random_arch(rng, task)
        assert network_features(arch, cost(arch, task)) == pytest.approx(from_plain(arch, task))


def test_numbers_are_means_over_blocks_and_words_are_shares() -> None:
    stages = [
        {"block": "convnext", "depth": 1, "width": 16, "kernel": 3, "grn": True},
        {"block": "modulation", "depth": 3, "width": 32, "kernel": 7},
    ]
    arch = Arch.from_dict({"stages": stages})
    found = network_features(arch, cost(arch, Task(32, 3, 10)))
    assert (found["kernel"], found["kernel.1"], found["kernel.2"]) == (6.0, 3.0, 7.0)
    assert (found["block=convnext"], found["block=modulation"], found["block=modulation.2"]) == (0.25, 0.75, 1.0)
    assert (found["grn=True"], found["stem.kind=patchify"], found["share.2"]) == (0.25, 1.0, 0.75)
    assert "block=modulation.1" not in found


def test_the_matrix_is_standardised_within_limits_and_has_what_varies() -> None:
    described = [{"a": 1.0, "same": 2.0}, {"a": 3.0, "same": 2.0, "word": 1.0}, {"a": 5.0, "same": 2.0}]
    features = Features.of(described)
    assert features.names == ("a", "word")
    found = features.matrix(described)
    assert (found.mean(axis=0), found.std(axis=0)) == (pytest.approx([0, 0]), pytest.approx([1, 1]))
    assert features.matrix([{"a": 1e9, "new": 1.0}])[0][0] == LIMIT
    assert features.matrix([]).shape == (0, 2)
    assert np.isfinite(Features.of(described[:1]).matrix(described)).all()
