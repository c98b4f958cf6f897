"""Training of references: as trials are trained, whole files, resumption, failures, and the command around it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from nas.data.dataset import load
from nas.data.study_data import describe_data
from nas.records.recipe import Recipe
from nas.records.reference import FOLDER, read_references, reference_path
from nas.references.training import FIRST_SEED, ReferencePlan, train_references
from nas.searching.ask import trial_seed
from nas.storage.moving import rename_study
from nas.storage.reader import Reader
from nas.training.brief import Diverged, train, train_module
from nas.training.device_data import DeviceData
from nas.training.muon import head_of, matrices
from nas.training.steps import Training
from space import Arch, InputError, Space, Task, cost
from tests.dashboard.studies import make_settings, make_study
from tests.nas.conftest import Run

RECIPE = Recipe(epochs=2, train_images=256, batch_size=32)
MODULE = """
from torch import nn

def small(classes, channels, scale=1.0, norm=True):
    width = 8 * max(1, round(2 * scale))
    layers = [nn.Conv2d(channels, width, 3, 1, 1), nn.BatchNorm2d(width) if norm else nn.Identity(), nn.ReLU()]
    layers += [nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))

class Steep(nn.Linear):
    def forward(self, x):
        return 1e38 * super().forward(x).exp()

def steep(classes, image_size):
    return nn.Sequential(nn.Flatten(), Steep(image_size ** 2, classes))
"""
SMALL = "some_references:small"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six networks on the digits with invented accuracies at 20K..4M FLOPs, two of them repeated often."""
    folder = make_study(tmp_path / "runs", "s", complete=6)
    settings = make_settings("s", data=describe_data(load("digits")), recipe=RECIPE.to_dict(), flops_low=20_000)
    settings.write(folder)
    (tmp_path / "some_references.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def trained(folder: Path, *networks: str, **options: object) -> list[str]:
    """What was said of it."""
    console = Console(file=io.StringIO(), width=200)
    train_references(folder, ReferencePlan(networks=networks, device="cpu", **options), console)  # type: ignore[arg-type]
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).glob("*.json"))


def own(folder: Path) -> Path:
    arch = Space.load("digits").draw(flops="100K..400K", seed=0, task=Task(8, 1, 10))
    path = folder.parent / "own.yaml"
    path.write_text(arch.to_yaml())
    return path


def test_one_of_ours_learns_what_a_trial_of_it_learns(study: Path) -> None:
    path = own(study)
    trained(study, str(path))
    (record,) = read_references(study)
    reader, data = Reader(study), load("digits")
    recipe, task = reader.settings.build_recipe(), reader.settings.task
    placed = DeviceData.place(data, recipe, torch.device("cpu"))
    seed = trial_seed(reader.settings.seed, FIRST_SEED)
    same = train(Arch.load(path), task, placed, recipe, seed=seed)
    assert record.seed == seed
    assert record.counts == same.counts
    assert [(p.period, p.images, p.loss, p.accuracy) for p in record.curve] == [
        (p.period, p.images, p.loss, p.accuracy) for p in same.curve
    ]
    assert (record.flops, record.params) == (cost(Arch.load(path), task).flops, cost(Arch.load(path), task).params)
    assert record.arch == Arch.load(path).to_dict()


def test_a_module_of_anyones_is_trained_and_kept_whole(study: Path) -> None:
    said = trained(study, SMALL, seeds=2)
    assert files(study) == ["some_references-small-0.json", "some_references-small-1.json"]
    first, second = read_references(study)
    assert (first.index, second.index) == (0, 1)
    assert first.seed != second.seed
    assert first.counts != second.counts
    assert first.flops == 64 * 9 * 16 + 64 * 16 * 16 + 16 * 9 * 16 * 16 + 160
    assert first.origin == "some_references.py"
    assert len(first.curve) == Reader(study).settings.build_recipe().periods
    assert any(line.startswith("estimate: 2 trainings of ") for line in said)
    before = (study / FOLDER / files(study)[0]).read_bytes()
    again = trained(study, SMALL, seeds=2)
    assert not [line for line in again if "estimate" in line], "nothing is trained again"
    assert (study / FOLDER / files(study)[0]).read_bytes() == before


def test_a_killed_run_goes_on_where_it_was(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = train_module, list[int]()

    def killed(*args: object, **options: object) -> object:
        if options.get("on_period") and options["seed"] != 0:  # not of the estimate
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.references.training.train_module", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(study, SMALL, f"{SMALL}:norm=false")
    assert files(study) == ["some_references-small-0.json"]
    kept = read_references(study)
    trained(study, SMALL, f"{SMALL}:norm=false")
    assert len(calls) == 3, "the second one again, and the first never"
    assert [each for each in read_references(study) if each.name == SMALL] == kept
    assert len(files(study)) == 2


def test_the_search_sees_nothing_of_them(study: Path) -> None:
    before, journal = Reader(study).trials(), (study / "journal.log").read_bytes()
    trained(study, SMALL)
    assert Reader(study).trials() == before
    assert (study / "journal.log").read_bytes() == journal


def test_its_folder_stays_while_it_is_trained(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []
    real = train_module

    def moved(*args: object, **options: object) -> object:
        with pytest.raises(InputError) as error:
            rename_study(study, "other")
        refused.append(str(error.value))
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.references.training.train_module", moved)
    trained(study, SMALL)
    assert set(refused) == {
        "study must be at rest, got s: a search, worker or measurement of this machine works on it; end it with Ctrl-C, or wait"
    }


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Diverged("loss became nan within 128 of 512 images"), "loss became nan within 128 of 512 images"),
        (MemoryError(), "out of memory: "),
    ],
)
def test_a_training_that_comes_to_nothing_is_on_record(
    study: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fails(*args: object, **options: object) -> object:
        raise error

    monkeypatch.setattr("nas.references.training.train_module", fails)
    trained(study, SMALL)
    (record,) = read_references(study)
    assert record.counts is None
    assert record.accuracy is None
    assert record.reason is not None
    assert record.reason.startswith(said)


@pytest.mark.parametrize("error", ["RuntimeError('late failure')", "SystemExit(3)"])
def test_a_module_that_fails_in_training_is_on_record_and_the_others_go_on(
    study: Path, tmp_path: Path, error: str
) -> None:
    (tmp_path / "late.py").write_text(
        "import torch\n\n\nclass Late(torch.nn.Linear):\n    calls = 0\n\n    def forward(self, x):\n"
        "        self.calls += 1\n        if self.calls > 4:\n"
        f"            raise {error}\n        return super().forward(x.flatten(1))\n\n\n"
        "def build(channels, image_size, classes):\n    return Late(channels * image_size**2, classes)\n"
    )
    said = trained(study, "late.py:build", SMALL)
    found = {record.name: record for record in read_references(study)}
    assert found["late:build"].counts is None
    assert found["late:build"].reason == f"{error.partition('(')[0]}: {'late failure' if 'late' in error else '3'}"
    assert found[SMALL].counts is not None
    assert any("has come to nothing: " in line for line in said)


def test_what_really_diverges_says_so(study: Path) -> None:
    """Its logits are beyond what a float holds."""
    said = trained(study, "some_references:steep")
    (record,) = read_references(study)
    assert record.counts is None
    assert record.reason is not None
    assert re.fullmatch(r"loss became (nan|inf) within \d+ of 512 images", record.reason)
    assert f"has come to nothing: {record.reason} " in said[-1]


def test_a_network_that_is_another_now_is_refused(study: Path, tmp_path: Path) -> None:
    trained(study, SMALL)
    path = reference_path(study, SMALL, 0)
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"flops": 1, "params": 2}))
    with pytest.raises(InputError) as error:
        trained(study, SMALL)
    assert str(error.value) == (
        f"network must be the one on record, {SMALL} of 1 FLOPs and 2 parameters, got {SMALL} of 62,624 FLOPs and "
        f"{record['params']:,} parameters; rename it, or remove {path}"
    )
    path.write_text("{")
    with pytest.raises(InputError, match="must be the whole record of a reference"):
        read_references(study)


def test_a_network_of_ours_with_another_layer_is_refused(study: Path) -> None:
    """Of the same FLOPs and parameters."""
    path = own(study)
    relu, gelu = (re.sub(r" act: (relu|gelu|silu)", f" act: {act}", path.read_text()) for act in ("relu", "gelu"))
    path.write_text(relu)
    trained(study, str(path))
    path.write_text(f"# a comment changes nothing\n{relu}")
    assert not [line for line in trained(study, str(path)) if "estimate" in line]
    path.write_text(gelu)
    with pytest.raises(InputError) as error:
        trained(study, str(path))
    assert str(error.value) == (
        f"network must be the one on record, {path} with stages[0].act relu, got gelu; rename it, or remove "
        f"{reference_path(study, str(path), 0)}"
    )


def test_a_function_of_another_file_is_refused_and_an_older_record_taken(study: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODULE)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "net.py").write_text(MODULE.replace("ReLU", "SiLU"))
    with pytest.raises(InputError) as error:
        trained(study, "net.py:small", "sub/net.py:small")
    assert str(error.value) == (
        "names of networks must differ, got net:small of both net.py:small and sub/net.py:small; rename one of the files"
    )
    trained(study, "net.py:small")
    refused = r"network must be the one on record, net:small of a file of digest \w{16}, got one of \w{16}; rename it"
    with pytest.raises(InputError, match=refused):
        trained(study, "sub/net.py:small")
    (record,) = read_references(study)
    path = reference_path(study, "net:small", 0)
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "code"}))
    trained(study, "sub/net.py:small")
    assert read_references(study) == [replace(record, code=None)]
    (tmp_path / "net.py").write_text(MODULE.replace("ReLU", "GELU"))
    path.write_text(json.dumps(asdict(record)))
    with pytest.raises(InputError, match=refused):
        trained(study, "net.py:small")


def test_two_at_once_train_each_network_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first one trains, the second goes on with what is left; then finds all of it on record."""
    real, said = train_module, list[list[str]]()

    def beside(*args: object, **options: object) -> object:
        if options["seed"] != 0 and not said:  # not of the estimate
            with monkeypatch.context() as inner:
                inner.setattr("nas.references.training.train_module", real)
                said.append([])
                said[0] = trained(study, SMALL, f"{SMALL}:norm=false")
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.references.training.train_module", beside)
    first = trained(study, SMALL, f"{SMALL}:norm=false")
    assert f"reference 1 of 2: {SMALL}, seed 0: left to another nas reference, which is at it" in said[0]
    records = read_references(study)
    assert [record.name for record in records] == [SMALL, f"{SMALL}:norm=false"]
    assert (
        f"reference 2 of 2: {SMALL}:norm=false, seed 0: {records[1].accuracy:.2%} ({records[1].seconds:.0f} s)" in first
    )
    assert not [line for line in trained(study, SMALL) if "estimate" in line]


def test_some_are_refused_and_the_others_trained(study: Path, run: Run) -> None:
    code, out, err = run("reference", study, SMALL, "timm:vit_tiny_patch16_224", "--device", "cpu")
    assert code == 2
    assert "refused: timm:vit_tiny_patch16_224 must" in err
    assert SMALL.partition(":")[2] in "".join(out.split())
    assert files(study) == ["some_references-small-0.json"]
    code, _, err = run("reference", study, SMALL, "no_such_thing", "--device", "cpu")
    assert code == 2
    assert err.startswith("error: network must be a YAML file, an export, a preset, timm:NAME or module:function")
    code, _, err = run("reference", study, "timm:vit_tiny_patch16_224", "--device", "cpu")
    assert (code, err.splitlines()[-1][:43]) == (2, "error: timm:vit_tiny_patch16_224 must take ")


def test_ctrl_c_leaves_what_is_trained_and_says_how_to_go_on(
    study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.references.training.train_module", interrupted)
    code, out, err = run("reference", study, SMALL, "--device", "cpu")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == f"stopped; to go on: nas reference {study} {SMALL} --device cpu"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--flops", "1M"), "flops must come with --scale, got 1M without; add --scale"),
        (("--scale", "--flops", "9M"), "flops must be in the study's band 20K..4M, got 9M; a front has nothing else"),
    ],
)
def test_what_scale_takes(study: Path, run: Run, words: tuple[str, ...], said: str) -> None:
    code, _, err = run("reference", study, SMALL, *words)
    assert (code, err) == (2, f"error: {said}\n")


def test_the_front_shows_them_apart(study: Path, run: Run) -> None:
    run("reference", study, f"{SMALL}", "--scale", "--flops", "1M", "--device", "cpu")
    code, out, err = run("front", study)
    assert code == 0, err
    assert "references: trained by the study's recipe, no part of its search" in out
    code, out, _ = run("front", study, "--json")
    found = json.loads(out)
    (record,) = read_references(study)
    (each,) = found["references"]
    assert each["accuracy"] == record.accuracy
    assert each["scale"] == record.scale
    assert each["in_band"] is True
    assert all("trial" in row for row in found["rows"]), "a reference is no row of the front"
    code, out, _ = run("reference", study, SMALL, "--scale", "--flops", "1M", "--json")
    assert json.loads(out)["rows"] == found["references"]


def test_python_has_the_same(study: Path) -> None:
    import nas

    found = nas.reference(study, SMALL, device="cpu").references()
    (record,) = read_references(study)
    assert found.index.tolist() == [SMALL]
    assert found.accuracy.tolist() == [record.accuracy]
    assert found.flops.tolist() == [62_624]
    with pytest.raises(InputError, match="timm:vit_tiny_patch16_224 must take images of 8 px"):
        nas.reference(study, SMALL, "timm:vit_tiny_patch16_224", device="cpu")


class Tied(nn.Module):
    """Convolutions of all kinds, a tied pair, a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.dense, self.depthwise = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.one, self.two = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.two.weight = self.one.weight
        self.place = nn.Parameter(torch.zeros(1, 8, 8, 16))
        self.head = nn.Linear(16, 10)

    def no_weight_decay(self) -> set[str]:
        return {"place"}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.depthwise(self.dense(torch.relu(self.norm(self.stem(x)))))
        logits: torch.Tensor = self.head(self.two(self.one(x.permute(0, 2, 3, 1) + self.place).relu()).mean((1, 2)))
        return logits


def test_muon_is_for_linears_and_dense_convolutions_but_not_the_first_and_not_the_classifier() -> None:
    network = Tied()
    assert set(map(id, matrices(network))) == set(map(id, [network.dense.weight, network.one.weight]))
    assert head_of(network) is network.head

    class Named(Tied):
        def get_classifier(self) -> nn.Module:
            return self.two

    named = Named()
    assert set(map(id, matrices(named))) == set(map(id, [named.dense.weight, named.head.weight])) | {
        id(named.one.weight)
    }


def test_an_average_holds_tied_weights_once_and_fresh_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    placed, seen = DeviceData.place(load("digits"), RECIPE, torch.device("cpu")), list[torch.Tensor]()
    real = Training._average

    def watched(training: Training[Tied]) -> None:
        seen.append(training.network.one.weight.detach().clone())
        real(training)

    monkeypatch.setattr(Training, "_average", watched)
    recipe = replace(RECIPE, average=0.1)
    network = train_module(lambda: Tied().to(memory_format=torch.channels_last), placed, recipe, seed=0).network
    mean = seen[0]
    for step, weight in enumerate(seen[1:], 1):
        mean = mean + (weight - mean) / (1 + 0.1 * step)
    assert network.one.weight is network.two.weight
    assert torch.allclose(network.one.weight, mean, atol=1e-5)
    images = placed.train.normalise(placed.train.images).permute(0, 3, 1, 2)  # type: ignore[arg-type]
    with torch.no_grad():
        maps = network.stem(images)
    assert network.norm.running_mean is not None
    assert torch.allclose(network.norm.running_mean, maps.mean((0, 2, 3)), atol=0.05)
