"""Arch: round trips, the key, and every refusal in its words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from space import Arch, InputError, Stage, Stem, Task
from space.arch import KERNELS, Head
from space.reading import presets
from tests.space.networks import PRESETS, arch, draws

NORMS, ACTS = st.sampled_from(["ln", "bn", "rms"]), st.sampled_from(["gelu", "relu", "silu", "hardswish"])
STAGES = st.builds(
    Stage,
    block=st.sampled_from(["convnext", "modulation"]),
    depth=st.integers(1, 1000),
    width=st.integers(8, 8192),
    kernel=st.sampled_from(KERNELS),
    expansion=st.floats(0.1, 16),
    norm=NORMS,
    act=ACTS,
    layer_scale=st.none() | st.floats(1e-9, 10),
)
NETWORKS = st.builds(
    Arch,
    stem=st.builds(Stem, stride=st.integers(1, 32), norm=NORMS),
    stages=st.lists(STAGES, min_size=1, max_size=8).map(tuple),
    head=st.builds(Head, norm=NORMS),
)
PLAIN: dict[str, Any] = {"depth": 1, "width": 8}


@given(NETWORKS)
@settings(max_examples=60, deadline=None)
def test_yaml_and_json_give_the_same_network_back(network: Arch) -> None:
    through_yaml = Arch.from_dict(yaml.safe_load(network.to_yaml()))
    through_json = Arch.from_dict(json.loads(json.dumps(network.to_dict())))
    assert through_yaml == through_json == network
    assert through_yaml.key == through_json.key == network.key


@pytest.mark.parametrize("preset", PRESETS)
def test_drawn_networks_come_back_from_a_file(preset: str, tmp_path: Path) -> None:
    for network in draws(preset, 10):
        (tmp_path / "network.yaml").write_text(network.to_yaml())
        assert Arch.load(tmp_path / "network.yaml") == network


@pytest.mark.parametrize("name", presets("networks"))
def test_preset_networks_are_convnexts(name: str) -> None:
    network = Arch.load(name)
    depths = (3, 3, 9, 3) if name == "convnext_tiny" else (3, 3, 27, 3)
    first = network.stages[0].width
    assert tuple(stage.depth for stage in network.stages) == depths
    assert [stage.width for stage in network.stages] == [first, 2 * first, 4 * first, 8 * first]
    assert (network.stem, network.head) == (Stem(stride=4, norm="ln"), Head(norm="ln"))
    assert {replace(stage, depth=1, width=8) for stage in network.stages} == {Stage(**PLAIN)}


@given(STAGES, STAGES)
@settings(max_examples=60, deadline=None)
def test_keys_are_equal_exactly_when_networks_are(one: Stage, two: Stage) -> None:
    same = replace(one, expansion=1.0) == replace(two, expansion=1.0) and one.hidden == two.hidden
    assert (Arch(stages=(one,)).key == Arch(stages=(two,)).key) == same


def test_key_looks_through_the_ratio_to_the_hidden_width() -> None:
    assert arch(8, expansion=2.0).key == arch(8, expansion=2.01).key
    assert arch(8, expansion=2.0).key != arch(8, expansion=2.2).key


def test_key_does_not_depend_on_how_numbers_are_spelt() -> None:
    spellings: list[dict[str, Any]] = [{"expansion": 4, "layer_scale": 1}, {"expansion": 4.0, "layer_scale": 1.0}]
    built = [Arch(stages=(Stage(**PLAIN, **spelling),)) for spelling in spellings]
    read = [Arch.from_dict({"stages": [PLAIN | spelling]}) for spelling in spellings]
    assert len({network.key for network in built + read}) == 1


BASE = Arch(stages=(Stage(depth=2, width=8), Stage(depth=1, width=16)))


@pytest.mark.parametrize(
    "change",
    [
        {"block": "modulation"}, {"depth": 3}, {"width": 9}, {"kernel": 5}, {"expansion": 3.0}, {"norm": "bn"},
        {"act": "relu"}, {"layer_scale": None}, {"layer_scale": 1e-5},
    ],
)  # fmt: skip
def test_any_other_stage_is_another_key(change: dict[str, Any]) -> None:
    for i in range(2):
        stages = list(BASE.stages)
        stages[i] = replace(stages[i], **change)
        assert replace(BASE, stages=tuple(stages)).key != BASE.key


def test_any_other_stem_head_or_order_is_another_key() -> None:
    others = [
        replace(BASE, stem=Stem(stride=2)),
        replace(BASE, stem=Stem(norm="bn")),
        replace(BASE, head=Head(norm="bn")),
        replace(BASE, stages=BASE.stages[::-1]),
        replace(BASE, stages=BASE.stages[:1]),
    ]
    assert len({BASE.key, *(other.key for other in others)}) == 6


def test_key_is_twelve_hex_digits_and_frozen() -> None:
    # Studies are written with it: a change of the key's recipe would let every network be trained again.
    assert Arch.load("convnext_tiny").key == "7afa4e97a7dc"
    assert all(len(network.key) == 12 and int(network.key, 16) >= 0 for network in draws("digits", 5))


def test_depth_hidden_and_description() -> None:
    network = arch(10, 20, depth=3, expansion=2.5)
    assert (network.depth, [stage.hidden for stage in network.stages]) == (6, [25, 50])
    assert network.stages[1].describe() == "3 x convnext, kernel 7, hidden 50, ln, gelu"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernal": 3}, "stages[1].kernal must be a known key; did you mean kernel?"),
        ({"zzzzz": 3}, "stages[1].zzzzz must be a known key; use one of act, block, depth, expansion, kernel, "
         "layer_scale, norm, width"),
        ({"kernel": 6}, "stages[1].kernel must be odd and from 3 to 11, got 6; use one of 3, 5, 7, 9, 11"),
        ({"kernel": 13}, "stages[1].kernel must be odd and from 3 to 11, got 13; use one of 3, 5, 7, 9, 11"),
        ({"depth": 0}, "stages[1].depth must be from 1 to 1000, got 0; give each stage a block"),
        ({"depth": 1001}, "stages[1].depth must be from 1 to 1000, got 1001; give each stage a block"),
        ({"depth": 3.0}, "stages[1].depth must be a whole number, got 3.0; correct it"),
        ({"depth": "3"}, "stages[1].depth must be a whole number, got '3'; correct it"),
        ({"depth": True}, "stages[1].depth must be a whole number, got True; correct it"),
        ({"width": 0}, "stages[1].width must be from 1 to 8192, got 0; use e.g. 96"),
        ({"width": 8193}, "stages[1].width must be from 1 to 8192, got 8193; use e.g. 96"),
        ({"width": None}, "stages[1].width must be a whole number, got None; correct it"),
        ({"block": "convnxt"}, "stages[1].block must be one of convnext, modulation, got convnxt; "
         "did you mean convnext?"),
        ({"norm": "gn"}, "stages[1].norm must be one of ln, bn, rms, got gn; did you mean ln?"),
        ({"act": "tanh"}, "stages[1].act must be one of gelu, relu, silu, hardswish, got tanh; "
         "use one of gelu, hardswish, relu, silu"),
        ({"expansion": 0}, "stages[1].expansion must be above 0, at most 16, got 0.0; use e.g. 4"),
        ({"expansion": 17}, "stages[1].expansion must be above 0, at most 16, got 17.0; use e.g. 4"),
        ({"expansion": float("nan")}, "stages[1].expansion must be above 0, at most 16, got nan; use e.g. 4"),
        ({"expansion": 0.01}, "stages[1].expansion must leave a hidden channel, got 0.01; use e.g. 4"),
        ({"expansion": [4]}, "stages[1].expansion must be a number, got [4]; correct it"),
        ({"layer_scale": 0}, "stages[1].layer_scale must be null or above 0, at most 10, got 0.0; "
         "use null, 0.1 or 1.0e-6"),
        ({"layer_scale": 11}, "stages[1].layer_scale must be null or above 0, at most 10, got 11.0; "
         "use null, 0.1 or 1.0e-6"),
        ({"layer_scale": "1e-6"}, "stages[1].layer_scale must be a number, got '1e-6'; write 1.0e-06"),
    ],
)  # fmt: skip
def test_a_wrong_stage_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Arch.from_dict({"stages": [PLAIN, PLAIN | change]}, "net.yaml")
    assert str(refusal.value) == f"net.yaml: {message}"


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ([PLAIN], "arch must be a mapping of keys to values, got [{'depth': 1, 'width': 8}]; correct it"),
        ({}, "stages must be given, got nothing; add it"),
        ({"stages": []}, "stages must be 1 to 8, got 0; list each as a mapping"),
        ({"stages": [PLAIN] * 9}, "stages must be 1 to 8, got 9; list each as a mapping"),
        ({"stages": 3}, "stages must be a list, got 3; correct it"),
        ({"stages": [3]}, "stages[0] must be a mapping of keys to values, got 3; correct it"),
        ({"stages": [{"depth": 1}]}, "stages[0].width must be given, got nothing; add it"),
        ({"stages": [{"depht": 1, "width": 8}]}, "stages[0].depht must be a known key; did you mean depth?"),
        ({"stages": [PLAIN], "steem": {}}, "steem must be a known key; did you mean stem?"),
        ({"stages": [PLAIN], "stem": {"strid": 1}}, "stem.strid must be a known key; did you mean stride?"),
        ({"stages": [PLAIN], "stem": {"stride": 0}}, "stem.stride must be from 1 to 32, got 0; use 1, 2, 4, 8 or 16"),
        ({"stages": [PLAIN], "stem": {"stride": 33}}, "stem.stride must be from 1 to 32, got 33; use 1, 2, 4, 8 or 16"),
        ({"stages": [PLAIN], "head": {"norm": 1}}, "head.norm must be one of ln, bn, rms, got 1; use one of bn, ln, rms"),
    ],
)  # fmt: skip
def test_a_wrong_network_is_refused(plain: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Arch.from_dict(plain)
    assert str(refusal.value) == message


@pytest.mark.parametrize(("field", "most"), [("image_size", "4096"), ("channels", "1024"), ("classes", "1000000")])
def test_a_wrong_task_is_refused(field: str, most: str) -> None:
    for value in (0, int(most) + 1):
        with pytest.raises(InputError) as refusal:
            Task(**{field: value})
        assert str(refusal.value) == f"{field} must be from 1 to {most}, got {value}; correct it"
