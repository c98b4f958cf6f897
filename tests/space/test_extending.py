"""docs/extending.md holds what it says: its code is taken out of the page, registered, counted, built, installed."""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from space import Arch, InputError, Space, Task, cost
from space.describe import vocabulary
from space.network import Network
from space.parts import _known, find_part, names
from tests.space.networks import random_arch

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
CODE: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PYPROJECT = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
ERRORS = re.findall(r"^    (error: .*)$", PAGE, re.MULTILINE)
MODULES = ("nas_dual", "nas_norm_and_act", "nas_early", "nas_mlp")  # the page's code in its order
NEW = {"block": "dual", "norm": "ln_plain", "act": "mish", "stem": "early", "head": "mlp"}

NETWORK: dict[str, Any] = {
    "stem": "early",
    "stages": [
        {"block": "dual", "depth": 2, "width": 10, "kernel": 7, "small": 3, "act": "mish"},
        {"block": "convnext", "depth": 1, "width": 12, "norm": "ln_plain"},
        {"block": "dual", "depth": 1, "width": 20, "expansion": 2.5, "norm": "ln_plain"},
    ],
    "head": {"kind": "mlp", "features": 24},
}


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The page's parts, known until these tests are over."""
    folder, before = tmp_path_factory.mktemp("parts"), {kind: dict(known) for kind, known in _known.items()}
    for module, code in zip(MODULES, CODE, strict=True):
        (folder / f"{module}.py").write_text(code)
    sys.path.insert(0, str(folder))
    for module in MODULES:
        importlib.import_module(module)
    yield
    sys.path.remove(str(folder))
    for module in MODULES:
        del sys.modules[module]
    for kind, known in before.items():
        _known[kind].clear()
        _known[kind].update(known)


def count(network: Arch, task: Task) -> tuple[int, int]:
    """(conv + linear multiply-accumulates by fvcore's trace, parameters as torch holds them)."""
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    net = Network(network, task).eval()
    image = torch.zeros(1, task.channels, task.image_size, task.image_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's tracer
        analysis = FlopCountAnalysis(net, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counts = analysis.by_operator()
    assert not set(counts) & {"matmul", "addmm", "bmm", "einsum"}, "a multiplication outside conv and linear"
    return round(counts["conv"] + counts["linear"]), sum(p.numel() for p in net.parameters())


def counts(rows: list[tuple[Arch, Task]]) -> list[tuple[int, int]]:
    # In a thread: torch's tracer writes down the Python stack at every operation, and pytest's is deep.
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as thread:
        return list(thread.map(lambda row: count(*row), rows))


def parts_of(network: Arch) -> set[tuple[str, str]]:
    """Kinds and names of the page's parts in a network."""
    found = {("stem", network.stem.name), ("head", network.head.name)}
    for part in (network.stem, network.head, *(stage.block for stage in network.stages)):
        found |= {("norm", str(getattr(part, "norm", ""))), ("act", str(getattr(part, "act", "")))}
    return (found | {("block", stage.block.name) for stage in network.stages}) & set(NEW.items())


def test_the_worked_example_is_short() -> None:
    assert CODE[0].count("\n") < 40
    act = CODE[1][CODE[1].index('@part("act"') :]
    assert sum(1 for line in (CODE[0] + act).splitlines() if line.strip()) < 40


@pytest.mark.parametrize(("size", "channels", "classes"), [(29, 3, 10), (45, 1, 7), (64, 3, 1000)])
def test_its_cost_is_fvcores_and_torchs_at_every_size(size: int, channels: int, classes: int) -> None:
    network, task = Arch.from_dict(NETWORK), Task(size, channels, classes)
    assert parts_of(network) == set(NEW.items())
    counted = cost(network, task)
    assert counts([(network, task)]) == [(counted.flops, counted.params)]


def test_the_generator_draws_it_and_the_counts_agree() -> None:
    rng, seen = random.Random(0), set()
    rows: list[tuple[Arch, Task]] = []
    while len(rows) < 12:
        task = Task(rng.choice((33, 39)), rng.choice((1, 3)), 10)
        network = random_arch(rng, task, most_flops=5_000_000)
        if any(stage.block.name == "dual" for stage in network.stages):
            rows.append((network, task))
            seen |= parts_of(network)
    assert seen == set(NEW.items())
    expected = [cost(network, task) for network, task in rows]
    assert counts(rows) == [(counted.flops, counted.params) for counted in expected]


def test_its_forward_is_one_convolution_with_the_sum_of_its_kernels() -> None:
    """RepLKNet merges the two: a small kernel with zeros around it is a large one (arXiv 2203.06717, 3.2)."""
    torch.manual_seed(0)
    network = Arch.from_dict({"stages": [{"block": "dual", "depth": 1, "width": 6, "kernel": 9, "small": 3}]})
    block: Any = Network(network, Task(16)).stages[0].blocks[0]  # type: ignore[index]
    for weight in block.parameters():
        torch.nn.init.normal_(weight)
    x = torch.randn(2, 7, 5, 6)  # (N, H, W, C)

    def conv(kernel: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x.permute(0, 3, 1, 2), kernel, bias, padding=4, groups=6).permute(0, 2, 3, 1)  # (N, H, W, C)

    y = conv(block.large.weight + F.pad(block.small.weight, (3, 3, 3, 3)), block.large.bias + block.small.bias)
    y = F.layer_norm(y, (6,), block.norm.weight, block.norm.bias, 1e-6)
    y = F.gelu(y @ block.fc1.weight.T + block.fc1.bias) @ block.fc2.weight.T + block.fc2.bias
    torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-4)


def test_the_small_parts_compute_what_they_are_called() -> None:
    x = torch.randn(2, 3, 4, 5)
    plain = (x - x.mean(-1, keepdim=True)) / x.var(-1, unbiased=False, keepdim=True).sqrt()
    torch.testing.assert_close(find_part("norm", "ln_plain").module(5)(x), plain, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(find_part("act", "mish").module()(x), x * torch.tanh(torch.log1p(torch.exp(x))))


def test_it_goes_through_files_and_keeps_its_key(tmp_path: Path) -> None:
    network = Arch.from_dict(NETWORK)
    (tmp_path / "network.yaml").write_text(network.to_yaml())
    assert Arch.load(tmp_path / "network.yaml") == network
    assert Arch.load(tmp_path / "network.yaml").key == network.key
    keys = {network.key}
    for change in ({"small": 5}, {"kernel": 9}, {"expansion": 3}, {"norm": "rms"}, {"act": "gelu"}):
        other = {**NETWORK, "stages": [{**NETWORK["stages"][0], **change}, *NETWORK["stages"][1:]]}
        keys.add(Arch.from_dict(other).key)
    assert len(keys) == 6


@pytest.mark.parametrize("text", re.findall(r"`(\{block: dual.*?\})`", PAGE))
def test_the_stages_that_the_page_names_load(text: str) -> None:
    stage = yaml.safe_load(text)
    (loaded,) = Arch.from_dict({"stages": [stage]}).stages
    assert loaded.block.name == "dual"
    assert {key: loaded.to_dict()[key] for key in stage} == stage


def test_the_stem_and_head_that_the_page_names_load() -> None:
    assert "`stem: early` and `head: {kind: mlp, features: 512}`" in PAGE
    network = Arch.from_dict(
        {"stem": "early", "head": {"kind": "mlp", "features": 512}, "stages": [{"depth": 1, "width": 8}]}
    )
    assert (network.stem.name, network.head.name, network.head.to_dict()["features"]) == ("early", "mlp", 512)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"smal": 3}, "stages[0].smal must be a known key of dual; did you mean small?"),
        ({"small": 7}, "stages[0].small must be odd and from 1 to 5, got 7; use e.g. 5"),
        ({"small": 4}, "stages[0].small must be odd and from 1 to 5, got 4; use e.g. 5"),
        ({"kernel": "7"}, "stages[0].kernel must be a whole number, got '7'; correct it"),
        ({"expansion": 0}, "stages[0].expansion must be above 0, at most 16, got 0; use e.g. 4"),
        ({"act": "mich"}, "did you mean mish?"),
        ({"norm": "plain_ln"}, "did you mean ln_plain?"),
        ({"block": "duel"}, "did you mean dual?"),
        ({"downsample": "strided"}, "stages[0].downsample must be separate for block dual"),
    ],
)
def test_its_errors_are_those_of_every_part(stage: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Arch.from_dict({"stages": [{"block": "dual", "depth": 1, "width": 8, **stage}]})
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_pages_own_error_and_the_stems_refusal() -> None:
    assert "`stages[0].smal must be a known key of dual; did you mean small?`" in PAGE
    with pytest.raises(InputError, match=r"^width must be even for stem early, got 9; use e\.g\. 10$"):
        Arch.from_dict({"stem": "early", "stages": [{"depth": 1, "width": 9}]})


def test_spaces_have_its_options_as_axes() -> None:
    axes = {
        "stages": 2, "depth": [2, 3], "width": [8, 16, 24], "block": {"each_stage": ["convnext", "dual"]},
        "small": [3, 5], "kernel": {"each_stage": [7, 9]}, "act": ["mish"], "stem": ["patchify", "early"],
        "head": ["mlp"], "head.features": [32, 64],
    }  # fmt: skip
    space, rng, seen = Space.from_dict({"image_size": 33, "axes": axes}, "mine", "mine.yaml"), random.Random(0), set()
    for _ in range(40):
        network = space.random_arch(rng, Task(33, 3, 10))
        seen |= parts_of(network)
        seen |= {("small", stage.block.small) for stage in network.stages if stage.block.name == "dual"}  # type: ignore[attr-defined]
        assert network.head.to_dict()["features"] in (32, 64)
    assert seen >= {("block", "dual"), ("stem", "early"), ("head", "mlp"), ("act", "mish"), ("small", 3), ("small", 5)}


def test_the_tables_have_it() -> None:
    for kind, name in NEW.items():
        assert name in names(kind)  # type: ignore[arg-type]
        assert f"| `{name}` |" in vocabulary()
    assert re.search(r"\| `small` \| odd and from 1 to 5 \| side of the small convolution \|.* 5 \|", vocabulary())


# A package outside, in a fresh Python


def package(folder: Path, name: str, code: str | None, entry: str = "dual = nas_dual") -> Path:
    """A folder on the path as an installer leaves it: the module, and the metadata of the page's pyproject."""
    folder.mkdir()
    project = tomllib.loads(PYPROJECT)
    (group,) = project["project"]["entry-points"]
    module = entry.partition(" = ")[2]
    assert project["project"]["entry-points"][group] == {"dual": "nas_dual"}
    assert project["tool"]["setuptools"]["py-modules"] == ["nas_dual"]
    if code is not None:
        (folder / f"{module}.py").write_text(code)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    return folder


def nas(*arguments: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    return subprocess.run([sys.executable, "-m", "nas", *arguments], env=environment, capture_output=True, text=True)


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    file = tmp_path / "network.yaml"
    file.write_text("stages:\n  - {block: dual, depth: 3, width: 96, kernel: 21, small: 3}\n")
    return file


def test_a_package_is_found_by_its_entry_point(tmp_path: Path, network_file: Path) -> None:
    done = nas("cost", str(network_file), "--json", path=[package(tmp_path / "a", "nas-dual", CODE[0])])
    assert (done.returncode, done.stderr) == (0, "")
    depthwise, dense = 96 * (21**2 + 3**2), 2 * 96 * 384
    params = 3 * (depthwise + 2 * 96 + 2 * 96 + dense + 384 + 96) + (48 + 1) * 96 + 2 * 96 + 2 * 96 + 97 * 1000
    (answer,) = json.loads(done.stdout)["rows"]
    assert answer["params"] == params
    assert answer["flops"] == 56**2 * (48 * 96 + 3 * (depthwise + dense)) + 96 * 1000
    without = nas("cost", str(network_file), "--json", path=[])
    assert without.returncode == 2
    assert "stages[0].block must be one of convnext, " in without.stderr


def test_nas_show_has_it(tmp_path: Path, network_file: Path) -> None:
    done = nas("show", str(network_file), path=[package(tmp_path / "a", "nas-dual", CODE[0])])
    assert done.returncode == 0, done.stderr
    assert "3 x dual" in done.stdout
    assert "dual, small 3, " in done.stdout


def test_a_package_may_import_space_whole(tmp_path: Path) -> None:
    """Space has defaults that are checked as it is imported; that must not import packages which import space."""
    folder = package(tmp_path / "a", "nas-dual", "from space import Arch\n" + CODE[1])
    file = tmp_path / "network.yaml"
    file.write_text("stages: [{depth: 1, width: 8, norm: ln_plain, act: mish, layer_scale: null}]")
    done = nas("cost", str(file), "--json", path=[folder])
    assert (done.returncode, done.stderr) == (0, "")
    stem_and_head = (48 + 1) * 8 + 2 * 8 + 2 * 8 + 9 * 1000
    assert json.loads(done.stdout)["rows"][0]["params"] == stem_and_head + (49 + 1) * 8 + (8 + 1) * 32 + (32 + 1) * 8


def test_a_package_that_fails_is_one_line(tmp_path: Path, network_file: Path) -> None:
    missing = package(tmp_path / "a", "nas-dual", None)
    done = nas("cost", str(network_file), path=[missing])
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"{ERRORS[0]}\n".replace("network.yaml", str(network_file)),
    )
    # What nas itself has does not ask other packages.
    assert nas("cost", "convnext_tiny", path=[missing]).returncode == 0


def test_a_name_that_is_taken_is_one_line(tmp_path: Path, network_file: Path) -> None:
    first = package(tmp_path / "a", "nas-dual", CODE[0])
    second = package(tmp_path / "b", "other", CODE[0], entry="dual = other_dual")
    done = nas("cost", str(network_file), path=[first, second])
    assert done.returncode == 2
    assert done.stderr == f"{ERRORS[1]}\n".replace("network.yaml", str(network_file))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('first line; more\\nsecond line')", "RuntimeError: first line"),
        ("from space.parts import part\n@part('block', 'convnext')\nclass Mine: ...", "ValueError: block convnext must be a new name, got one that space.blocks has"),
        ("def broken(:", "SyntaxError: invalid syntax (nas_dual.py, line 1)"),
    ],
)  # fmt: skip
def test_whatever_an_import_raises_is_one_line(tmp_path: Path, network_file: Path, code: str, reason: str) -> None:
    done = nas("cost", str(network_file), path=[package(tmp_path / "a", "nas-dual", code)])
    line = f"entry point dual must import, got {reason}; repair or remove the package nas-dual"
    assert done.stderr == f"error: {network_file}: {line}\n"
