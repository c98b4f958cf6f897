"""The named networks: counted as their papers print, as a reference counted them, and as other libraries build them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import timm
import torch

from space import Arch, Task, cost
from space.network import Network
from space.reading import presets

NAMES = presets("networks")
# Counted on the reference code at 224 px, 1000 classes: parameters, conv + linear multiply-accumulates in G.
MEASURED = {
    "convnext_base": (88_591_464, "15.3547"),
    "convnext_xlarge": (350_196_968, "60.9210"),
    "convnext_iso_small": (22_308_712, "4.2864"),
    "convnext_iso_large": (305_942_504, "59.6992"),
    "convnextv2_atto": (3_708_400, "0.5473"),
    "convnextv2_tiny": (28_635_496, "4.4555"),
    "conv2former_n": (14_992_840, "2.3303"),
    "conv2former_t": (26_697_204, "4.3605"),
    "conv2former_l": (198_893_736, "36.0375"),
    "roadmap_t_00": (25_557_032, "4.0892"),
    "roadmap_t_01": (25_557_032, "4.0892"),
    "roadmap_t_02": (28_628_520, "4.5259"),
    "roadmap_t_03": (28_622_184, "4.4175"),
    "roadmap_t_04": (15_722_664, "2.3495"),
    "roadmap_t_05": (33_761_032, "5.2680"),
    "roadmap_t_06": (25_851_496, "4.6444"),
    "roadmap_t_07": (25_625_512, "4.0651"),
    "roadmap_t_08": (25_720_744, "4.0973"),
    "roadmap_t_09": (25_863_592, "4.1456"),
    "roadmap_t_10": (26_054_056, "4.2100"),
    "roadmap_t_11": (26_292_136, "4.2906"),
    "roadmap_t_12": (25_863_592, "4.1456"),
    "roadmap_t_13": (25_863_592, "4.1456"),
    "roadmap_t_14": (25_797_352, "4.1456"),
    "roadmap_t_15": (25_797_352, "4.1456"),
    "roadmap_t_16": (28_589_128, "4.4555"),
}
# As papers and READMEs print them: parameters in M, conv + linear multiply-accumulates in G; None: not printed.
PRINTED: dict[str, tuple[str | None, str | None]] = {
    "convnext_tiny": ("29", "4.5"),
    "convnext_small": ("50", "8.7"),
    "convnext_base": ("89", "15.4"),
    "convnext_large": ("198", "34.4"),
    "convnext_xlarge": ("350", "60.9"),
    "convnext_iso_small": ("22", "4.3"),
    "convnext_iso_base": ("87", "16.9"),
    "convnext_iso_large": ("306", "59.7"),
    "convnextv2_atto": ("3.7", "0.55"),
    "convnextv2_tiny": ("28.6", None),  # the README's 4.47 G counts norms too
    "conv2former_n": ("15", None),  # the printed 2.2 G is that of a plain 4x4 stem
    "conv2former_t": ("27", "4.4"),
    "conv2former_s": ("50", "8.7"),
    "conv2former_b": ("90", "15.9"),
    "conv2former_l": ("199", "36.0"),
}
# arXiv 2201.03545v2, table 10, GFLOPs of rows 0 to 16; None stands at the two cells that are misprinted there.
ROADMAP_T = (
    4.09, 4.09, 4.53, 4.42, 2.35, 5.27, 4.64, 4.07, 4.10, 4.15, 4.21, 4.29, 4.15, 4.15, 4.15, None, None,
)  # fmt: skip
ROADMAP_B = (
    15.01, 15.01, 14.52, 14.38, 7.23, 16.76, 15.68, 14.63, 14.70, 14.81, 14.95, 15.13, 14.81, 14.81, 14.81, 14.81, 15.35,
)  # fmt: skip
TIMM = {
    "resnet50": "resnet50",
    "roadmap_b_00": "resnet200",
    **{f"convnext_{size}": f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")},
    **{
        f"convnextv2_{size}": f"convnextv2_{size}"
        for size in ("atto", "femto", "pico", "nano", "tiny", "base", "large", "huge")
    },
}


@cache
def load(name: str) -> Arch:
    return Arch.load(name)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_presets_are_those_of_the_papers_and_the_ends_of_a_walk() -> None:
    roadmaps = {f"roadmap_{regime}_{row:02d}" for regime in "tb" for row in range(17)}
    conv2former = {f"conv2former_{size}" for size in "ntsbl"}
    iso = {f"convnext_iso_{size}" for size in ("small", "base", "large")}
    assert set(NAMES) == roadmaps | conv2former | iso | set(TIMM) | {"resnet_32", "convnext_32"}


def test_convnext_tiny_to_the_last_integer() -> None:
    counted = cost(load("convnext_tiny"), Task())
    assert (counted.params, counted.flops) == (28_589_128, 4_455_531_264)


@pytest.mark.parametrize("name", MEASURED)
def test_counts_equal_the_reference(name: str) -> None:
    counted = cost(load(name), Task())
    assert (counted.params, f"{counted.flops / 1e9:.4f}") == MEASURED[name]


@pytest.mark.parametrize("name", PRINTED)
def test_counts_are_the_printed_ones(name: str) -> None:
    counted = cost(load(name), Task())
    for number, printed in zip((counted.params / 1e6, counted.flops / 1e9), PRINTED[name], strict=True):
        if printed is not None:
            assert f"{number:.{len(printed.partition('.')[2])}f}" == printed


@pytest.mark.parametrize(("regime", "printed"), [("t", ROADMAP_T), ("b", ROADMAP_B)])
def test_roadmaps_cost_what_the_table_prints(regime: str, printed: tuple[float | None, ...]) -> None:
    for row, value in enumerate(printed):
        if value is not None:
            assert round(cost(load(f"roadmap_{regime}_{row:02d}"), Task()).flops / 1e9, 2) == value


@pytest.mark.usefixtures("without_initial_weights")
@pytest.mark.parametrize(("name", "theirs"), TIMM.items())
def test_parameters_are_as_many_as_timm_builds(name: str, theirs: str) -> None:
    with torch.device("meta"):
        built = timm.create_model(theirs)
    assert cost(load(name), Task()).params == parameters(built)


@pytest.mark.usefixtures("without_initial_weights")
@pytest.mark.parametrize("name", ["resnet50", "roadmap_b_00", "convnext_tiny", "convnextv2_atto"])
def test_flops_are_half_of_what_torch_counts_in_timms(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        timm.create_model(TIMM[name]).eval()(torch.empty(1, 3, 224, 224))
    assert 2 * cost(load(name), Task()).flops == counter.get_total_flops()


def test_a_roadmap_begins_at_a_resnet_and_ends_at_a_convnext() -> None:
    assert load("roadmap_t_00").key == load("roadmap_t_01").key == load("resnet50").key
    assert load("roadmap_t_16").key == load("convnext_tiny").key
    assert load("roadmap_b_00").key == load("roadmap_b_01").key
    assert load("roadmap_b_16").key == load("convnext_base").key


@pytest.mark.parametrize("regime", "tb")
def test_every_other_row_of_a_roadmap_is_another_network(regime: str) -> None:
    assert len({load(f"roadmap_{regime}_{row:02d}").key for row in range(1, 17)}) == 16


def test_kernels_of_conv2former_cost_what_was_measured() -> None:
    plain = load("conv2former_t").to_dict()
    for kernel, gflops, params in (
        (5, "4.1898", 26_137_332), (7, "4.2325", 26_277_300), (11, "4.3605", 26_697_204), (21, "4.9295", 28_563_444),
    ):  # fmt: skip
        stages = [stage | {"kernel": kernel} for stage in plain["stages"]]
        counted = cost(Arch.from_dict(plain | {"stages": stages}), Task())
        assert (f"{counted.flops / 1e9:.4f}", counted.params) == (gflops, params)


def test_the_printed_flops_of_conv2former_n_are_those_of_a_plain_stem() -> None:
    plain = load("conv2former_n").to_dict() | {"stem": {"norm": None}}
    assert f"{cost(Arch.from_dict(plain), Task()).flops / 1e9:.4f}" == "2.1878"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_comes_back_from_its_yaml(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(load(name).to_yaml())
    assert Arch.load(path) == load(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_builds_what_was_counted(name: str) -> None:
    with torch.device("meta"):
        built = Network(load(name), Task())
    assert parameters(built) == cost(load(name), Task()).params


def test_the_walks_table_in_the_docs_holds_what_is_counted() -> None:
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if "| `roadmap_t_" in line
    ]
    assert [row[0] for row in rows] == [f"roadmap_t_{step:02d}" for step in range(17)]
    for name, _, flops, params, printed, _ in rows:
        counted = cost(Arch.load(name), Task())
        assert (flops, params) == (f"{counted.flops:,}", f"{counted.params:,}")
        assert ("erratum" in printed) == (abs(float(printed.split()[0]) - counted.flops / 1e9) > 0.0051), name
