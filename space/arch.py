"""Arch: one network of the family, completely. Frozen, checked, YAML and JSON round trip, and a key.

Sizes of images and the number of classes are not part of an Arch: they are its Task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from space.blocks import Block, ConvNeXt, downsampling
from space.heads import Head, LinearHead
from space.layers import Layers, resolve
from space.parts import find_part, make_part, options, read_part
from space.reading import InputError, check_keys, find, load_yaml, shortened
from space.rules import Number, Rule, Whole, Word
from space.stems import Patchify, Stem

MAX_WIDTH = 8192
DEPTH = Whole(1, 1000, show=(1, 2))
WIDTH = Whole(1, MAX_WIDTH)
DOWNSAMPLE = Word(("separate", "strided"))
DROP_PATH = Number(0, 0.99, zero=True, show=(0.0, 0.1))
STAGE_RULES: dict[str, Rule] = {"depth": DEPTH, "width": WIDTH, "downsample": DOWNSAMPLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`depth` equal blocks of `width` channels.

    `downsample`, from the second stage on: `separate` (norm and 2x2 convolution with stride 2 before the blocks), or
    `strided` (the first block's spatial convolution has stride 2, and its shortcut a projection).
    """

    depth: int
    width: int
    block: Block = ConvNeXt()
    downsample: str = "separate"

    def __post_init__(self) -> None:
        for name, rule in STAGE_RULES.items():
            rule.check_field(name, getattr(self, name))
        if self.downsample == "strided" and not self.block.strides:
            raise InputError(
                f"downsample must be separate for block {self.block.name}, whose layers have no place for a stride, "
                "got strided; leave it out"
            )

    @property
    def out(self) -> int:
        """Channels that the stage gives."""
        return self.block.out(self.width)

    def to_dict(self) -> dict[str, Any]:
        return {
            "block": self.block.name, "depth": self.depth, "width": self.width, "downsample": self.downsample,
            **self.block.to_dict(),
        }  # fmt: skip

    @staticmethod
    def from_dict(plain: Any, where: str) -> Stage:
        """From a flat mapping: the stage's own keys and the options of its block."""
        if not isinstance(plain, dict):
            raise InputError(
                f"{where} must be a mapping of keys to values, got {plain}; write depth, width, block, ..."
            )
        cls = find_part("block", str(plain.get("block", "convnext")), f"{where}.block")
        own = {key: value for key, value in plain.items() if key in STAGE_RULES}
        rest = {key: value for key, value in plain.items() if key not in STAGE_RULES and key != "block"}
        block = make_part(cls, rest, where, also=("block", *STAGE_RULES))
        for name in ("depth", "width"):  # after unknown keys: a misspelt key explains a missing one
            if name not in plain:
                raise InputError(f"{where}.{name} must be given, got nothing; add it")
        try:
            return Stage(**own, block=block)
        except InputError as error:
            raise InputError(f"{where}.{error}") from None

    def describe(self) -> str:
        """`3 x convnext, kernel 7, hidden 384, ln, gelu`; the width and other options are left out."""
        block, words = self.block, [f"{self.depth} x {self.block.name}"]
        for name in ("kernel", "norm", "act"):
            if name in options(type(block)):
                words.append(f"kernel {getattr(block, name)}" if name == "kernel" else str(getattr(block, name)))
        words.insert(2 if len(words) > 1 else 1, f"hidden {block.hidden(self.width)}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """A network: stem, stages, head, and the drop path rate of its last block (arXiv 1603.09382; rising linearly
    from 0 over the blocks). `Arch.load` and `Arch.from_dict` for what people write."""

    stem: Stem = Patchify()
    stages: tuple[Stage, ...]
    head: Head = LinearHead()
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.stages) <= 8:
            raise InputError(f"stages must be 1 to 8, got {len(self.stages)}; list each as a mapping")
        object.__setattr__(self, "drop_path", DROP_PATH.check_field("drop_path", self.drop_path))
        refusal = self.stem.refusal(self.stages[0].width)
        if refusal:
            raise InputError(refusal if refusal.startswith("width") else f"stem.{refusal}")
        inputs = self.stages[0].width
        for i, stage in enumerate(self.stages):
            if i > 0 and stage.downsample == "separate":
                inputs = stage.out
            out = stage.out
            for channels in (inputs, out) if inputs != out and stage.depth > 1 else (inputs,):  # first block, others
                refusal = stage.block.refusal(stage.width, channels)
                if refusal:
                    raise InputError(f"stages[{i}].{refusal}")
            inputs = out

    @property
    def depth(self) -> int:
        """Blocks in all."""
        return sum(stage.depth for stage in self.stages)

    def layers(self, task: Task) -> dict[str, Layers]:
        """The layers of every part by name: `stem`, `stages.0.downsample`, `stages.0.blocks.0`, ..., `head`."""
        width = self.stages[0].width
        found = {"stem": resolve(self.stem.layers(), self.stem.channels(task.channels, width))}
        for i, (between, first, rest) in enumerate(self._stages()):
            if between:
                found[f"stages.{i}.downsample"] = between
            for j in range(self.stages[i].depth):
                found[f"stages.{i}.blocks.{j}"] = rest if j else first
        head = self.head
        return found | {"head": resolve(head.layers(), head.channels(self.stages[-1].out, task.classes))}

    def _stages(self) -> Iterator[tuple[Layers, Layers, Layers]]:
        """Per stage: its downsampling (empty for none), its first block, and what its other blocks are."""
        inputs = self.stages[0].width
        for i, stage in enumerate(self.stages):
            block, between, stride = stage.block, {}, 1
            if i > 0 and stage.downsample == "separate":
                between = resolve(downsampling(block.norm, block.bias), {"before": inputs, "out": stage.out})
                inputs = stage.out
            elif i > 0:
                stride = 2
            rest = resolve(block.layers(), block.channels(stage.width, stage.out))
            if stride == 1 and inputs == stage.out:
                yield between, rest, rest
            else:
                yield between, resolve(block.layers(stride, True), block.channels(stage.width, inputs)), rest
            inputs = stage.out

    @property
    def key(self) -> str:
        """12 hex digits, equal exactly when the networks are: a digest of the layers, their order and their formulas,
        so that choices without effect do not count."""
        task, rows = Task(), []
        for stage, (between, first, rest) in zip(self.stages, self._stages(), strict=True):
            blocks = [_plain(first)] if stage.depth == 1 else [_plain(first), stage.depth - 1, _plain(rest)]
            rows.append([stage.block.formula(), _plain(between), blocks])
        stem = _plain(resolve(self.stem.layers(), self.stem.channels(task.channels, self.stages[0].width)))
        head = _plain(resolve(self.head.layers(), self.head.channels(self.stages[-1].out, task.classes)))
        text = json.dumps([stem, rows, head, self.drop_path if self.depth > 1 else 0.0])  # the first block's rate is 0
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """JSON and YAML types only, every option written out; `from_dict` reads it back."""
        return {
            "stem": {"kind": self.stem.name, **self.stem.to_dict()},
            "stages": [stage.to_dict() for stage in self.stages],
            "head": {"kind": self.head.name, **self.head.to_dict()},
            "drop_path": self.drop_path,
        }

    def to_yaml(self) -> str:
        """YAML that `Arch.load` reads back to an equal Arch."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None, width=120)

    @staticmethod
    def from_dict(plain: Any, where: str = "") -> Arch:
        """Checked; InputError names the field."""
        try:
            return _read_arch(plain)
        except InputError as error:
            raise InputError(f"{where}: {error}" if where else str(error)) from None

    @staticmethod
    def load(source: str | Path) -> Arch:
        """From a YAML file or the name of a preset network."""
        path = find(source, "networks")
        return Arch.from_dict(load_yaml(path), str(path.name if path.parent.name == "networks" else path))


def _read_arch(plain: Any) -> Arch:
    if not isinstance(plain, dict):
        raise InputError(f"network must be a mapping of keys to values, got {plain}; see a preset network")
    check_keys(plain, ("stem", "stages", "head", "drop_path"), needed=("stages",))
    if not isinstance(plain["stages"], (list, tuple)):
        raise InputError(f"stages must be a list, got {plain['stages']}; list each as a mapping")
    rest = {name: read_part(name, plain[name], name) for name in ("stem", "head") if name in plain}
    if "drop_path" in plain:
        rest["drop_path"] = plain["drop_path"]
    stages = tuple(Stage.from_dict(row, f"stages[{i}]") for i, row in enumerate(plain["stages"]))
    return Arch(stages=stages, **rest)


def _plain(layers: Layers) -> Any:
    """Layers as lists for a digest; absent ones and empty paths leave no trace."""
    rows = []
    for name, layer in layers.items():
        if isinstance(layer, dict):
            rows.append([name, _plain(layer)])
        elif layer is not None:
            rows.append([name, type(layer).__name__, *layer])
    return rows


@dataclass(frozen=True, slots=True)
class Task:
    """A task: square images of `image_size` pixels with `channels`, `classes` answers."""

    image_size: int = 224
    channels: int = 3
    classes: int = 1000

    def __post_init__(self) -> None:
        for field, most in (("image_size", 4096), ("channels", 1024), ("classes", 1_000_000)):
            value = getattr(self, field)
            if not hasattr(value, "__index__"):
                raise InputError(f"{field} must be a whole number, got {shortened(value)}; correct it")
            if not 1 <= value <= most:
                raise InputError(f"{field} must be from 1 to {most}, got {value}; correct it")
