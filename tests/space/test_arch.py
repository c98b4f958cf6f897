"""Arch: round trips, the key, and every refusal in its words."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from space import Arch, InputError, Stage, Task
from space.arch import DOWNSAMPLE
from space.blocks import Bottleneck, ConvNeXt, DepthwiseFirst, Inverted, Modulation, ThreeConvs
from space.heads import Conv2FormerHead, LinearHead
from space.network import Network
from space.parts import Part, find_part, names, options
from space.stems import Overlapping, Patchify, ResNetStem, ThreeConvsStem, TwoConvsStem
from tests.space.networks import arch, archs, random_arch, random_value

ROOT = Path(__file__).parents[2]
PLAIN: dict[str, Any] = {"depth": 1, "width": 8}
FEW = settings(max_examples=100, deadline=None)


# Round trips


@given(archs())
@FEW
def test_yaml_json_and_pickle_give_the_same_network_back(network: Arch) -> None:
    for back in (
        Arch.from_dict(yaml.safe_load(network.to_yaml())),
        Arch.from_dict(json.loads(json.dumps(network.to_dict()))),
        pickle.loads(pickle.dumps(network)),
    ):
        assert back == network
        assert hash(back) == hash(network)
        assert back.key == network.key
        assert back.to_dict() == network.to_dict()


def test_networks_come_back_from_a_file(tmp_path: Path) -> None:
    for seed in range(10):
        network = random_arch(random.Random(seed))
        (tmp_path / "network.yaml").write_text(network.to_yaml())
        assert Arch.load(tmp_path / "network.yaml") == network


LOOK_UP = """
import pickle, sys
from space import Arch
known = {Arch.from_dict(plain): place for place, plain in enumerate(pickle.load(sys.stdin.buffer))}
sent = pickle.load(sys.stdin.buffer)
assert [known[network] for network in sent] == list(range(len(sent)))
blocks = {stage.block for network in known for stage in network.stages}
assert all(stage.block in blocks for network in sent for stage in network.stages)
print(hash("patchify"), *(network.key for network in sent))
"""


def test_pickled_networks_are_found_in_another_process_where_words_hash_otherwise() -> None:
    # Hashes of text differ between processes, and a part keeps its own: it must be made anew where it is unpickled.
    networks = [random_arch(random.Random(seed)) for seed in range(20)]
    sent = pickle.dumps([network.to_dict() for network in networks]) + pickle.dumps(networks)
    hashes = set()
    for seed in ("1", "2"):
        child = subprocess.run(
            [sys.executable, "-c", LOOK_UP],
            input=sent, capture_output=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert child.returncode == 0, child.stderr.decode()
        own, *keys = child.stdout.decode().split()
        assert keys == [network.key for network in networks]
        hashes.add(own)
    assert len(hashes) == 2


# Reading


def test_what_is_left_out_is_convnexts() -> None:
    network = Arch.from_dict({"stages": [PLAIN, {"depth": 2, "width": 16}]})
    assert network == Arch(stages=(Stage(depth=1, width=8), Stage(depth=2, width=16)))
    assert network.to_dict() == {
        "stem": {"kind": "patchify", "stride": 4, "norm": "ln", "act": None, "bias": True},
        "stages": [
            {
                "block": "convnext", "depth": depth, "width": width, "downsample": "separate", "kernel": 7,
                "expansion": 4.0, "groups": "depthwise", "norm": "ln", "act": "gelu", "norm_after": "1",
                "act_after": "2", "bias": True, "layer_scale": 1e-6, "grn": False,
            }
            for depth, width in ((1, 8), (2, 16))
        ],
        "head": {"kind": "linear", "norm": "ln", "norm_first": False},
        "drop_path": 0.0,
    }  # fmt: skip


def test_the_older_short_form_is_read() -> None:
    block = {"block": "modulation", "kernel": 5, "expansion": 3, "norm": "bn", "act": "silu", "layer_scale": None}
    network = Arch.from_dict({"stem": {"stride": 2, "norm": "bn"}, "stages": [PLAIN | block], "head": {"norm": "rms"}})
    made = Modulation(kernel=5, expansion=3.0, norm="bn", act="silu", layer_scale=None)
    assert network == Arch(
        stem=Patchify(stride=2, norm="bn"), stages=(Stage(depth=1, width=8, block=made),), head=LinearHead(norm="rms")
    )


@pytest.mark.parametrize("kind", ["stem", "head"])
def test_a_part_may_be_its_name(kind: Any) -> None:
    for name in names(kind):
        network = Arch.from_dict({"stages": [PLAIN], kind: name})
        assert getattr(network, kind) == find_part(kind, name)()
        assert network == Arch.from_dict({"stages": [PLAIN], kind: {"kind": name}})


def test_numbers_are_read_however_they_are_spelt() -> None:
    text = "stages: [{depth: 1, width: 8, expansion: 4, layer_scale: 1, norm_after: 1, groups: 8}]\ndrop_path: 0"
    [stage] = (network := Arch.from_dict(yaml.safe_load(text))).stages
    block = cast(ThreeConvs, stage.block)
    assert (block.expansion, block.layer_scale, block.norm_after, block.groups) == (4.0, 1.0, "1", 8)
    assert [type(value) for value in (block.expansion, block.layer_scale, network.drop_path)] == [float] * 3
    assert network == Arch.from_dict(json.loads(json.dumps(network.to_dict())))


def test_depth_and_description() -> None:
    network = arch(10, 20, depth=3, expansion=2.5)
    assert network.depth == 6
    assert network.stages[1].describe() == "3 x convnext, kernel 7, hidden 50, ln, gelu"
    assert [stage.out for stage in arch(10, 20, block="bottleneck", expansion=2.5).stages] == [25, 50]


# The key


def signature(network: Arch) -> list[Any]:
    """What torch says of the network that is built: its modules in order, with all their settings and the shapes of
    their weights, and what its blocks compute. Identities are left out."""
    with torch.device("meta"):
        net = Network(network, Task(4096, 3, 10))
    found: list[Any] = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Identity) or module is net:
            continue
        settings = {
            k: v for k, v in vars(module).items() if k[0] != "_" and isinstance(v, bool | int | float | str | tuple)
        }
        shapes = [(k, tuple(weight.shape)) for k, weight in module.named_parameters(recurse=False)]
        block = getattr(module, "block", None)
        formula = (getattr(type(block), "forward", None), getattr(block, "fusion", None))
        found.append((name, type(module), module.extra_repr(), settings, shapes, formula))
    return found


@given(archs(), archs())
@FEW
def test_keys_are_equal_exactly_when_networks_are(one: Arch, two: Arch) -> None:
    assert (one.key == two.key) == (signature(one) == signature(two))


def other_choice(network: Arch, rng: random.Random) -> Arch:
    """The network with one thing changed: an option of a part, a downsampling, a depth, drop path, or a block's name."""
    i = rng.randrange(len(network.stages))
    stage = network.stages[i]
    kind = rng.choice(["stem", "head", "block", "block", "block", "name", "depth", "downsample", "drop_path"])
    if kind in ("stem", "head"):
        return replace(network, **{kind: other_option(getattr(network, kind), rng)})
    if kind == "drop_path":
        return replace(network, drop_path=rng.choice([0.0, 0.1, 0.2]))
    if kind == "block":
        changed = replace(stage, block=other_option(stage.block, rng))
    elif kind == "name":
        changed = replace(stage, block=other_block(stage.block, rng))
    elif kind == "depth":
        changed = replace(stage, depth=3 - stage.depth)
    else:
        changed = replace(stage, downsample=rng.choice(DOWNSAMPLE.examples))
    return replace(network, stages=(*network.stages[:i], changed, *network.stages[i + 1 :]))


def other_option(part: Any, rng: random.Random) -> Any:
    name, field = rng.choice(list(options(type(part)).items()))
    return replace(part, **{name: random_value(rng, field.metadata["rule"])})


def other_block(block: Part, rng: random.Random) -> Any:
    """A block of another name with the same choices, as far as it has them."""
    cls = find_part("block", rng.choice(names("block")))
    return cls(**{name: value for name, value in block.to_dict().items() if name in options(cls)})


@given(archs(), st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None)
def test_keys_of_neighbours_are_equal_exactly_when_networks_are(network: Arch, seed: int) -> None:
    try:
        other = other_choice(network, random.Random(seed))
    except InputError:
        return  # that cannot be built
    assert (network.key == other.key) == (signature(network) == signature(other))


def one_stage(block: Any, width: int = 8, depth: int = 2, **rest: Any) -> Arch:
    return Arch(stages=(Stage(depth=depth, width=width, block=block, **rest),))


INERT = {"norm_after": "none", "act_after": "none"}
SAME: dict[str, tuple[Arch, ...]] = {
    "act where nothing is activated": tuple(one_stage(ConvNeXt(act=act, act_after="none")) for act in ("relu", "silu")),
    "norm where none stands": tuple(one_stage(ConvNeXt(norm=norm, norm_after="none")) for norm in ("ln", "bn")),
    "norm_first without a norm": tuple(
        replace(one_stage(ConvNeXt()), head=LinearHead(norm=None, norm_first=first)) for first in (False, True)
    ),
    "the first stage's downsampling": (one_stage(Inverted()), one_stage(Inverted(), downsample="strided")),
    "an expansion that rounds to the same channels": tuple(one_stage(ConvNeXt(expansion=e)) for e in (2.0, 2.01)),
    "groups as many as channels": tuple(one_stage(ConvNeXt(groups=groups)) for groups in ("depthwise", 8)),
    "groups of the hidden channels": tuple(one_stage(Inverted(expansion=2, groups=g)) for g in ("depthwise", 16)),
    "depthwise on one channel": tuple(one_stage(ConvNeXt(groups=groups), width=1) for groups in ("depthwise", 1)),
    "convnext and depthwise_first": (
        one_stage(ConvNeXt()),
        one_stage(
            DepthwiseFirst(kernel=7, norm="ln", act="gelu", norm_after="1", act_after="2", bias=True, layer_scale=1e-6)
        ),
    ),
    "a wide bottleneck and a narrow inverted block": (
        Arch(stages=(Stage(depth=1, width=4), Stage(depth=2, width=8, block=Bottleneck(expansion=2)))),
        Arch(stages=(Stage(depth=1, width=4), Stage(depth=2, width=16, block=Inverted(expansion=0.5, groups=1)))),
    ),
    "drop path of a network of one block": (
        one_stage(ConvNeXt(), depth=1), replace(one_stage(ConvNeXt(), depth=1), drop_path=0.5)
    ),
    "one convolution, called after ResNet or not": tuple(
        replace(one_stage(ConvNeXt()), stem=stem)
        for stem in (ResNetStem(pool=False), Overlapping(stride=2, norm="bn", act="relu", bias=False))
    ),
    "a tiered stem whose half is the width": tuple(
        replace(one_stage(ConvNeXt()), stem=TwoConvsStem(tiered=tiered)) for tiered in (False, True)
    ),
    "a number and a whole number": tuple(one_stage(ConvNeXt(expansion=e, layer_scale=e)) for e in (1, 1.0)),
}  # fmt: skip


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_choices_without_effect_do_not_change_the_key(pair: tuple[Arch, Arch]) -> None:
    one, two = pair
    assert one.key == two.key
    assert signature(one) == signature(two)
    first, second = Network(one, Task(32, 3, 5)), Network(two, Task(32, 3, 5))
    with torch.no_grad():  # LayerScale's 1e-6 would hide the blocks
        for weight in first.parameters():
            weight.normal_()
    second.load_state_dict(first.state_dict())
    images = torch.randn(3, 3, 32, 32)
    for training in (False, True):
        outputs = []
        for net in (first, second):
            torch.manual_seed(0)  # of drop path
            outputs.append(net.train(training)(images))
        assert torch.equal(*outputs)


BASE = Arch(
    stages=tuple(Stage(depth=2, width=width, block=Inverted(norm="ln", layer_scale=0.1)) for width in (12, 24)),
    drop_path=0.1,
)  # fmt: skip


@pytest.mark.parametrize("change", [
    {"kernel": 5}, {"expansion": 3.0}, {"groups": 1}, {"norm": "bn"}, {"norm": "rms"}, {"act": "gelu"},
    {"norm_after": "1-2"}, {"norm_after": "none"}, {"act_after": "1-2"}, {"act_after": "1-3-add"}, {"bias": True},
    {"layer_scale": None}, {"layer_scale": 0.2}, {"grn": True},
])  # fmt: skip
def test_any_other_block_is_another_key(change: dict[str, Any]) -> None:
    for i in range(2):
        stages = list(BASE.stages)
        stages[i] = replace(stages[i], block=replace(stages[i].block, **change))
        assert replace(BASE, stages=tuple(stages)).key != BASE.key


def test_any_other_stage_stem_head_or_order_is_another_key() -> None:
    first, second = BASE.stages
    others = [
        replace(BASE, stages=(first, replace(second, depth=3))),
        replace(BASE, stages=(replace(first, depth=1), second)),
        replace(BASE, stages=(first, replace(second, width=23))),
        replace(BASE, stages=(first, replace(second, downsample="strided"))),
        replace(BASE, stages=(second, first)),
        replace(BASE, stages=(first,)),
        replace(BASE, drop_path=0.2),
        *(replace(BASE, stem=stem) for stem in (
            Patchify(stride=2), Patchify(norm="bn"), Patchify(norm=None), Patchify(act="relu"), Patchify(bias=False),
            Overlapping(), Overlapping(kernel=5), ResNetStem(), ResNetStem(pool=False), ResNetStem(stride=1),
            ThreeConvsStem(), ThreeConvsStem(act=None), TwoConvsStem(), TwoConvsStem(tiered=True),
        )),
        *(replace(BASE, head=head) for head in (
            LinearHead(norm="bn"), LinearHead(norm=None), LinearHead(norm_first=True), Conv2FormerHead(),
            Conv2FormerHead(features=640), Conv2FormerHead(act=None),
        )),
        *(replace(BASE, stages=(first, Stage(depth=2, width=24, block=Modulation(fusion=fusion, act_before=before))))
          for fusion in ("hadamard", "sum", "sigmoid", "l1") for before in (False, True)),
        replace(BASE, stages=(first, Stage(depth=2, width=24, block=Modulation(ffn_conv=True)))),
    ]  # fmt: skip
    assert len({BASE.key, *(other.key for other in others)}) == len(others) + 1


def test_key_is_twelve_hex_digits_and_frozen() -> None:
    # Studies are written with it: a change of the key's recipe would let every network be trained again.
    assert BASE.key == "bfe3b6ff7cf6"
    assert all(len(key) == 12 and int(key, 16) >= 0 for key in (random_arch(random.Random(i)).key for i in range(5)))


# Refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernal": 3}, "kernal must be a known key of convnext; did you mean kernel?"),
        ({"dept": 3}, "dept must be a known key of convnext; did you mean depth?"),
        ({"blok": 3}, "blok must be a known key of convnext; did you mean block?"),
        ({"downsampel": 3}, "downsampel must be a known key of convnext; did you mean downsample?"),
        ({3: 3}, "3 must be a known key of convnext; use one of act, act_after, bias, block, depth, downsample, "
         "expansion, grn, groups, kernel, layer_scale, norm, norm_after, width"),
        ({"block": "modulation", "groups": 1}, "groups must be a known key of modulation; use one of act, act_before, "
         "block, depth, downsample, expansion, ffn_conv, fusion, kernel, layer_scale, norm, width"),
        ({"kernel": 6}, "kernel must be odd and from 3 to 31, got 6; use e.g. 7"),
        ({"kernel": 33}, "kernel must be odd and from 3 to 31, got 33; use e.g. 31"),
        ({"kernel": 7.0}, "kernel must be a whole number, got 7.0; correct it"),
        ({"depth": 0}, "depth must be from 1 to 1000, got 0; use e.g. 1"),
        ({"depth": 1001}, "depth must be from 1 to 1000, got 1001; use e.g. 1000"),
        ({"depth": 3.0}, "depth must be a whole number, got 3.0; correct it"),
        ({"depth": "3"}, "depth must be a whole number, got '3'; correct it"),
        ({"depth": True}, "depth must be a whole number, got True; correct it"),
        ({"width": 0}, "width must be from 1 to 8192, got 0; use e.g. 1"),
        ({"width": 8193}, "width must be from 1 to 8192, got 8193; use e.g. 8192"),
        ({"width": None}, "width must be a whole number, got None; correct it"),
        ({"block": "convnxt"}, "block must be one of convnext, modulation, bottleneck, inverted, depthwise_first, "
         "got convnxt; did you mean convnext?"),
        ({"block": 3}, "block must be one of convnext, modulation, bottleneck, inverted, depthwise_first, got 3; "
         "use one of bottleneck, convnext, depthwise_first, inverted, modulation"),
        ({"downsample": "stridden"}, "downsample must be one of separate, strided, got 'stridden'; "
         "did you mean strided?"),
        ({"block": "modulation", "downsample": "strided"}, "downsample must be separate for block modulation, whose "
         "layers have no place for a stride, got strided; leave it out"),
        ({"norm": "lm"}, "norm must be one of ln, bn, gn, rms, got 'lm'; did you mean ln?"),
        ({"norm": None}, "norm must be one of ln, bn, gn, rms, got None; use one of bn, gn, ln, rms"),
        ({"act": "tanh"}, "act must be one of gelu, relu, silu, hardswish, got 'tanh'; "
         "use one of gelu, hardswish, relu, silu"),
        ({"norm_after": "2-1"}, "norm_after must be none or some of 1-2-3 in that order, got '2-1'; write e.g. 1-2"),
        ({"norm_after": "add"}, "norm_after must be none or some of 1-2-3 in that order, got 'add'; write e.g. 1-2"),
        ({"act_after": True}, "act_after must be none or some of 1-2-3-add in that order, got True; write e.g. 1-2"),
        ({"groups": 0}, "groups must be depthwise or a number of groups from 1 to 1024, got 0; use e.g. depthwise or 1"),
        ({"groups": 3}, "groups must divide the 8 channels of the spatial convolution, got 3; "
         "use a divisor, or depthwise"),
        ({"bias": "yes"}, "bias must be true or false, got 'yes'; correct it"),
        ({"grn": 1}, "grn must be true or false, got 1; correct it"),
        ({"expansion": 0}, "expansion must be above 0, at most 16, got 0; use e.g. 4"),
        ({"expansion": 17}, "expansion must be above 0, at most 16, got 17; use e.g. 4"),
        ({"expansion": float("nan")}, "expansion must be above 0, at most 16, got nan; use e.g. 4"),
        ({"expansion": 0.01}, "expansion must leave a channel at width 8, got 0.01; raise it"),
        ({"expansion": [4]}, "expansion must be a number, got [4]; correct it"),
        ({"layer_scale": 0}, "layer_scale must be above 0, at most 10, got 0; use e.g. 1e-06"),
        ({"layer_scale": 11}, "layer_scale must be above 0, at most 10, got 11; use e.g. 1e-06"),
        ({"layer_scale": "1e-6"}, "layer_scale must be a number, got '1e-6'; write 1.0e-06"),
        ({"block": "modulation", "expansion": 0.01}, "expansion must leave a channel at width 8, got 0.01; raise it"),
        ({"block": "modulation", "fusion": "sun"}, "fusion must be one of hadamard, sum, sigmoid, l1, got 'sun'; "
         "did you mean sum?"),
        ({"block": "inverted", "expansion": 1.5, "groups": 5}, "groups must divide the 12 channels of the spatial "
         "convolution, got 5; use a divisor, or depthwise"),
        ({"block": "bottleneck", "expansion": 0.05}, "expansion must leave a channel at width 8, got 0.05; raise it"),
    ],
)  # fmt: skip
def test_a_wrong_stage_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Arch.from_dict({"stages": [PLAIN, PLAIN | change]}, "net.yaml")
    assert str(refusal.value) == f"net.yaml: stages[1].{message}"


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ([PLAIN], "network must be a mapping of keys to values, got [{'depth': 1, 'width': 8}]; see a preset network"),
        ({}, "stages must be given, got nothing; add it"),
        ({"stages": []}, "stages must be 1 to 8, got 0; list each as a mapping"),
        ({"stages": [PLAIN] * 9}, "stages must be 1 to 8, got 9; list each as a mapping"),
        ({"stages": 3}, "stages must be a list, got 3; list each as a mapping"),
        ({"stages": [3]}, "stages[0] must be a mapping of keys to values, got 3; write depth, width, block, ..."),
        ({"stages": [{"depth": 1}]}, "stages[0].width must be given, got nothing; add it"),
        ({"stages": [{}]}, "stages[0].depth must be given, got nothing; add it"),
        ({"stages": [{"dept": 1, "width": 8}]}, "stages[0].dept must be a known key of convnext; did you mean depth?"),
        ({"stages": [PLAIN], "steem": {}}, "steem must be a known key; did you mean stem?"),
        ({"stages": [PLAIN], 1: {}}, "1 must be a known key; use one of drop_path, head, stages, stem"),
        ({"stages": [PLAIN], "drop_path": 1}, "drop_path must be from 0 to 0.99, got 1; use e.g. 0"),
        ({"stages": [PLAIN], "drop_path": -0.1}, "drop_path must be from 0 to 0.99, got -0.1; use e.g. 0"),
        ({"stages": [PLAIN], "drop_path": "a lot"}, "drop_path must be a number, got 'a lot'; correct it"),
        ({"stages": [PLAIN], "stem": 4}, "stem must be a name or a mapping with kind, got 4; write e.g. kind: patchify"),
        ({"stages": [PLAIN], "head": None}, "head must be a name or a mapping with kind, got None; "
         "write e.g. kind: linear"),
        ({"stages": [PLAIN], "stem": "patchfy"}, "stem.kind must be one of patchify, overlapping, resnet, three_convs, "
         "two_convs, got patchfy; did you mean patchify?"),
        ({"stages": [PLAIN], "head": {"kind": "lienar"}}, "head.kind must be one of linear, conv2former, got lienar; "
         "did you mean linear?"),
        ({"stages": [PLAIN], "head": {"kind": 1}}, "head.kind must be one of linear, conv2former, got 1; correct it"),
        ({"stages": [PLAIN], "stem": {"strid": 1}}, "stem.strid must be a known key of patchify; did you mean stride?"),
        ({"stages": [PLAIN], "stem": {"kind": "three_convs", "stride": 2}}, "stem.stride must be a known key of "
         "three_convs; use one of act, bias, norm"),
        ({"stages": [PLAIN], "stem": {"stride": 0}}, "stem.stride must be from 1 to 32, got 0; use e.g. 1"),
        ({"stages": [PLAIN], "stem": {"stride": 33}}, "stem.stride must be from 1 to 32, got 33; use e.g. 32"),
        ({"stages": [PLAIN], "stem": {"kind": "overlapping", "kernel": 3}}, "stem.stride must be below the kernel 3 to "
         "overlap, got 4; use stem patchify"),
        ({"stages": [PLAIN | {"width": 9}], "stem": "three_convs"}, "width must be even for stem three_convs, got 9; "
         "use e.g. 10"),
        ({"stages": [PLAIN], "head": {"norm": 1}}, "head.norm must be one of ln, bn, gn, rms, got 1; "
         "use one of bn, gn, ln, rms"),
        ({"stages": [PLAIN], "head": {"kind": "conv2former", "features": 0}}, "head.features must be from 1 to 65536, "
         "got 0; use e.g. 1"),
    ],
)  # fmt: skip
def test_a_wrong_network_is_refused(plain: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Arch.from_dict(plain)
    assert str(refusal.value) == message


def test_groups_must_divide_the_channels_of_every_block() -> None:
    # In a strided stage the first block's spatial convolution is on 8 channels, the second's on 6.
    narrow = Stage(depth=1, width=6, block=DepthwiseFirst(groups=4), downsample="strided")
    network = Arch(stages=(Stage(depth=1, width=8), narrow))
    net: Any = Network(network, Task(16))
    assert net.stages[1].blocks[0].branch.conv1.groups == 4
    with pytest.raises(InputError) as refusal:
        Arch(stages=(Stage(depth=1, width=8), replace(narrow, depth=2)))
    assert str(refusal.value) == (
        "stages[1].groups must divide the 6 channels of the spatial convolution, got 4; use a divisor, or depthwise"
    )


@pytest.mark.parametrize(("field", "most"), [("image_size", "4096"), ("channels", "1024"), ("classes", "1000000")])
def test_a_wrong_task_is_refused(field: str, most: str) -> None:
    for value in (0, int(most) + 1):
        with pytest.raises(InputError) as refusal:
            Task(**{field: value})
        assert str(refusal.value) == f"{field} must be from 1 to {most}, got {value}; correct it"
