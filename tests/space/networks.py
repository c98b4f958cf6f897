"""Networks for tests: drawn at random from all that is registered, and a short way to write one by hand.

The generator goes by the registry and by the rules' examples, so a new part or option is drawn without a line here.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from space import Arch, InputError, Stage, Task, cost
from space.arch import DROP_PATH
from space.blocks import Block
from space.heads import Head, LinearHead
from space.parts import Kind, find_part, names, options
from space.rules import Rule
from space.stems import Patchify, Stem

TASK = Task(32, 3, 10)
MOST_FLOPS = 10_000_000  # a forward pass in a few milliseconds
LARGE = 16  # kernels and the like above this are drawn more rarely


def random_value(rng: random.Random, rule: Rule) -> Any:
    """One of the rule's examples, large whole numbers more rarely; one time in four a smaller number if it is a float."""
    value = rng.choice(list(rule.examples))
    if isinstance(value, int) and value > LARGE:
        return rng.choice(list(rule.examples))
    if isinstance(value, float) and rng.random() < 0.25:
        return value * rng.uniform(0.5, 1)
    return value


def random_part(rng: random.Random, kind: Kind) -> Any:
    """A part of that kind with all its options drawn."""
    cls = find_part(kind, rng.choice(names(kind)))
    return cls(**{name: random_value(rng, field.metadata["rule"]) for name, field in options(cls).items()})


def random_stage(rng: random.Random) -> Stage:
    """One or two blocks of 4 to 24 channels; half of the widths can be divided in four groups."""
    block: Block = random_part(rng, "block")
    width = rng.choice([4 * rng.randint(1, 6), rng.randint(4, 24)])
    downsample = rng.choice(["separate", "strided"] if block.strides else ["separate"])
    return Stage(depth=rng.choice((1, 1, 2)), width=width, block=block, downsample=downsample)


def random_arch(rng: random.Random, task: Task = TASK, most_flops: int = MOST_FLOPS) -> Arch:
    """A network of one to four stages whose parts and options are all drawn, and that `task` has pixels enough for.

    Parts that do not go together are drawn again. Raises RuntimeError after a thousand refusals in a row.
    """
    for _ in range(1000):
        stages = tuple(random_stage(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 4))))
        stem, head = random_part(rng, "stem"), random_part(rng, "head")
        try:
            network = Arch(stem=stem, stages=stages, head=head, drop_path=random_value(rng, DROP_PATH))
            if cost(network, task).flops <= most_flops:
                return network
        except InputError:
            continue
    raise RuntimeError(f"no network in 1000 draws at {task}")


def archs(task: Task = TASK) -> st.SearchStrategy[Arch]:
    """`random_arch` for hypothesis."""
    return st.integers(0, 2**32 - 1).map(lambda seed: random_arch(random.Random(seed), task))


def arch(
    *widths: int,
    depth: int = 1,
    block: str = "convnext",
    downsample: str = "separate",
    stem: int | Stem = 2,
    head: str | Head = "ln",
    drop_path: float = 0.0,
    **choices: Any,
) -> Arch:
    """A network of one stage per width, each of the same block with the same `choices`.

    `stem` may be the stride of a patchify stem with the blocks' norm, `head` the norm of a linear head.
    """
    made: Block = find_part("block", block)(**choices)
    stages = tuple(Stage(depth=depth, width=width, block=made, downsample=downsample) for width in widths)
    return Arch(
        stem=Patchify(stride=stem, norm=made.norm) if isinstance(stem, int) else stem,
        stages=stages,
        head=LinearHead(norm=head) if isinstance(head, str) else head,
        drop_path=drop_path,
    )
