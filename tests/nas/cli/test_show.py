"""`nas show`: a network part by part, in 80 columns, and as JSON."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from nas.analysis.wording import network_lines
from nas.cli import main
from nas.cli.network_tables import network_table
from space import Arch, Stage, Task, cost
from space.blocks import ConvNeXt, Modulation
from space.reading import presets


def show(name: str, width: int, task: Task | None = None) -> list[str]:
    """The table's lines as a terminal of that width shows them."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(network_table(Arch.load(name), task or Task()))
    return [line.rstrip() for line in console.export_text().splitlines() if line.strip()]


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["nas", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), *capsys.readouterr()


def test_resnet50_part_by_part() -> None:
    lines = [line.split() for line in show("resnet50", 80)]
    assert lines[0] == ["part", "blocks", "output", "width", "kernel", "FLOPs", "%", "params", "%"]
    assert lines[2:9] == [  # FLOPs of the stem: 112 x 112 x 64 x 7 x 7 x 3 = 118M; of the head: 2048 x 1000
        ["stem", "resnet", "64x56x56", "64", "7", "118M", "2.9", "9.54K", "0.0"],
        ["stage", "1", "3", "x", "bottleneck", "256x56x56", "64", "3", "668M", "16.3", "216K", "0.8"],
        ["stage", "2", "4", "x", "bottleneck", "512x28x28", "128", "3", "1.03G", "25.1", "1.22M", "4.8"],
        ["stage", "3", "6", "x", "bottleneck", "1024x14x14", "256", "3", "1.46G", "35.8", "7.1M", "27.8"],
        ["stage", "4", "3", "x", "bottleneck", "2048x7x7", "512", "3", "809M", "19.8", "15M", "58.6"],
        ["head", "linear", "1000", "2.05M", "0.1", "2.05M", "8.0"],
        ["all", "16", "blocks", "4.09G", "100", "25.6M", "100"],
    ]
    assert " ".join(word for line in lines[9:] for word in line) == (
        "FLOPs: conv + linear multiply-accumulates, batch 1, 224 px, 3 channels, 1,000 classes. "
        "A stage holds the downsampling before it."
    )


@pytest.mark.parametrize("name", presets("networks"))
def test_no_row_is_cut_or_folded_at_80_columns(name: str) -> None:
    narrow, wide = show(name, 80), show(name, 120)
    rows = len(Arch.load(name).stages) + 5  # heading, rule, stem, head, all
    assert narrow[:rows] == wide[:rows]
    assert all(len(line) <= 80 and "…" not in line for line in narrow)


def test_below_the_table_stand_the_options() -> None:
    arch = Arch.load("conv2former_n")
    assert network_lines(arch) == [
        "stem: three_convs, norm bn, act gelu, no bias",
        "stages 1 to 4: modulation, expansion 4, norm ln, act gelu, layer_scale 1e-06, fusion hadamard, act_before, ffn_conv",
        "downsampling: separate",
        "head: conv2former, features 1280, norm ln, act gelu",
        "drop path: 0",
        f"key: {arch.key}",
    ]


def test_stages_that_differ_are_told_apart() -> None:
    plain, strided = ConvNeXt(), ConvNeXt(layer_scale=None)
    mixed = Arch(
        stages=(
            Stage(depth=1, width=8, block=plain),
            Stage(depth=1, width=8, block=Modulation()),
            Stage(depth=1, width=8, block=plain, downsample="strided"),
            Stage(depth=1, width=8, block=strided),
        )
    )
    starts = [line.split(",")[0] for line in network_lines(mixed)[1:4]]
    assert starts == ["stages 1", "stage 2: modulation", "stage 4: convnext"]
    assert network_lines(mixed)[1].startswith("stages 1, 3: convnext, expansion 4, groups depthwise,")
    assert network_lines(mixed)[4] == "downsampling: separate, strided, separate"
    iso = network_lines(Arch.load("convnext_iso_small"))
    assert not any(line.startswith("downsampling") for line in iso)


def test_the_command_prints_table_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, "show", "roadmap_t_06", "--image-size", "64", "--classes", "10")
    assert (code, err) == (0, "")
    assert re.search(r"stage 3 9 x inverted +384x4x4 +384 +3 ", out)
    assert "64 px, 3 channels, 10 classes" in " ".join(out.split())
    assert f"key: {Arch.load('roadmap_t_06').key}\n" in out


def test_as_json_its_parts_sum_to_its_cost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys, "show", "resnet50", "--channels", "1", "--json")
    assert code == 0
    plain, arch = json.loads(out), Arch.load("resnet50")
    total = cost(arch, Task(224, 1, 1000))
    assert Arch.from_dict(plain["arch"]) == arch
    assert (plain["flops"], plain["params"], plain["key"]) == (total.flops, total.params, arch.key)
    for field in ("flops", "params", "activations"):
        assert sum(part[field] for part in plain["parts"]) == plain[field]
    assert [(part["part"], part["channels"], part["size"]) for part in plain["parts"]] == [
        ("stem", 64, 56), ("stage 1", 256, 56), ("stage 2", 512, 28), ("stage 3", 1024, 14), ("stage 4", 2048, 7),
        ("head", 1000, 1),
    ]  # fmt: skip


def test_a_misspelt_name_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, capsys, "show", "resnet5") == (
        2, "", "error: network must be a YAML file or a preset, got resnet5; did you mean resnet50?\n",
    )  # fmt: skip
