"""Exports: equal logits after loading, honest numbers, retraining where no weights were kept, every refusal."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file

import nas
from nas.analysis.pareto import best, pareto_front
from nas.data.dataset import load
from nas.export import verify_subprocess
from nas.export.folder import Written
from nas.export.formats import VerificationError
from nas.export.kept import folder_of
from nas.export.model_card import ModelCard
from nas.export.write import export_trial
from nas.records.settings import ARTIFACTS
from nas.records.trial import WEIGHTS, Trial, artifact_ids
from nas.searching.launch import run_search
from nas.searching.plan import SearchPlan
from nas.storage.reader import Reader
from space import Arch, Budget, InputError, Space, cost
from tests.brief import measure_briefly
from tests.dashboard.studies import SPACE, TASK, make_settings

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A search of four tiny networks on the digits, two epochs each."""
    from tests.conftest import TINY_RECIPE, TINY_SPACE

    folder = tmp_path_factory.mktemp("export")
    (folder / "tiny.yaml").write_text(TINY_SPACE)
    (folder / "recipe.yaml").write_text(TINY_RECIPE + "batch_size: 32\n")
    path, finished = run_search(
        Space.load(folder / "tiny.yaml"), "digits", Budget.parse("20K..200K"),
        SearchPlan(trials=4, recipe_file=folder / "recipe.yaml", name="study", runs=folder, device="cpu", command="nas search tiny.yaml --trials 2"),
        QUIET,
    )  # fmt: skip
    assert finished
    return Reader(path)


def chosen(study: Reader) -> Trial:
    return best(pareto_front(study.trials()))


def kept(study: Reader, number: int) -> Path:
    """The file with a trial's weights."""
    (name,) = artifact_ids(study.frozen()[number].system_attrs, WEIGHTS)
    return study.folder / ARTIFACTS / name


@pytest.fixture(scope="module")
def card(study: Reader, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, Path]:
    """The best network, exported in every format that it has."""
    out = tmp_path_factory.mktemp("made") / "out"
    with pytest.MonkeyPatch.context() as patch:
        measure_briefly(patch.setattr)
        return export_trial(study, chosen(study), out, device="cpu", console=QUIET, formats=("onnx", "pt2")), out


@pytest.fixture
def made(card: tuple[ModelCard, Path]) -> Path:
    return card[1]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fresh processes and the clock, which the tests of `made` have seen."""
    monkeypatch.setattr("nas.export.folder.verify", lambda folder, network, files, images: files)
    monkeypatch.setattr("nas.export.folder.BATCHES", ())


def test_the_export_loads_and_is_as_good_as_its_card_says(study: Reader, card: tuple[ModelCard, Path]) -> None:
    stated, made = card
    model, preprocess = nas.load_export(made)
    digits = load("digits")
    with torch.no_grad():
        answers = model(preprocess(digits.test.images)).argmax(1).numpy()
    accuracy = float((answers == digits.test.labels).mean())
    assert accuracy == pytest.approx(stated.test, abs=1e-6)
    line = re.search(
        r"test accuracy (\S+)% \(top-1, digits test split, n = 359, 1 seed", (made / "README.md").read_text()
    )
    assert line
    assert float(line[1]) / 100 == pytest.approx(accuracy, abs=5e-5)
    assert stated.validation == pytest.approx(chosen(study).accuracy or 0)
    assert not model.training
    assert preprocess.classes == digits.classes


def test_a_batch_whose_passes_take_long_is_not_timed(
    study: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr("nas.export.folder.BATCHES", (1, 64))
    monkeypatch.setattr("nas.export.folder.LONGEST", 0.0)
    export_trial(study, chosen(study), tmp_path / "out", device="cpu", console=QUIET)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "\n| 1 | " in text
    assert "\n| 64 | " not in text


def test_the_folder_holds_the_network_and_its_papers(study: Reader, made: Path) -> None:
    trial = chosen(study)
    names = {path.name for path in made.iterdir()}
    assert names == {
        "model.safetensors", "arch.yaml", "README.md", "preprocess.json", "facts.json", "front.svg", "modeling.py",
        "model.onnx", "model.pt2",
    }  # fmt: skip
    assert "\n    nas search tiny.yaml --trials 4\n" in (made / "README.md").read_text(), "what was asked for last"
    arch = Arch.load(made / "arch.yaml")
    assert arch.key == trial.key
    counts = cost(arch, study.settings.task)
    assert (counts.flops, counts.params) == (trial.flops, trial.params)
    learned = load_file(made / "model.safetensors")
    assert sum(v.numel() for k, v in learned.items() if "running" not in k and "num_batches" not in k) == counts.params
    plain = json.loads((made / "preprocess.json").read_text())
    assert plain["classes"] == [str(i) for i in range(10)]
    text = (made / "README.md").read_text()
    header = yaml.safe_load(text.split("---\n")[1])
    result = header["model-index"][0]["results"][0]
    assert result["dataset"] == {"name": "digits", "type": "local", "split": "test"}
    assert "datasets" not in header
    stated = result["metrics"][0]
    assert f"test accuracy {stated['value']:.2%} (top-1, digits test split, n = 359" in text
    assert str(made.parent) not in text
    facts = json.loads((made / "facts.json").read_text())
    assert (facts["source"], facts["fingerprint"], facts["searched"]) == (
        "digits",
        study.settings.data.fingerprint,
        True,
    )
    assert f"test accuracy {facts['test']:.2%} (top-1" in text
    assert f"validation accuracy of these weights {facts['validation']:.2%} (top-1" in text
    for expected in (
        "![Accuracy against FLOPs of the networks of the search, with this one marked](front.svg)",
        "| 64 | ",
        "`model.onnx` |",
        "`model.pt2` |",
        "`modeling.py` |",
        "torch.export.load",
        "nas search tiny.yaml",
        f"{counts.flops:,}",
        f"{counts.params:,}",
        "untouched by the search",
        "- splits: train 1,079 (scikit-learn), validation 359 (held out of train), test 359 (held out of train)",
        "torch 2.",
    ):
        assert expected in text
    assert not list(made.parent.glob(".*"))


def card_of(*trials: Trial) -> ModelCard:
    """The card of the first of these trials of the digits (validation and test of 360 images each)."""
    return ModelCard(
        trial=trials[0], settings=make_settings("s"), trials=trials, validation=0.95, test=0.9, note=None, versions={}
    )


def test_the_card_sets_test_beside_validation_and_says_that_selection_flatters() -> None:
    arch = SPACE.random_arch(random.Random(0), TASK).to_dict()
    one = Trial(number=0, state="complete", key="a", flops=2_000_000, accuracy=0.95, arch=arch)
    other = Trial(number=1, state="complete", key="b", flops=1_000_000, accuracy=0.9)
    again = Trial(number=2, state="complete", key="a", flops=2_000_000, accuracy=0.93)
    stopped = Trial(number=3, state="stopped", key="c", flops=2_000_000)
    card = card_of(one, other, stopped)
    assert card.difference_line() == (  # sqrt(.95 * .05 / 360 + .9 * .1 / 360)
        "validation - test +5.00 points (standard error 1.95 from the two n alone); "
        "a choice among 2 networks on one validation split tends to flatter there: quote the test accuracy"
    )
    assert card.to_json()["difference"] == pytest.approx(0.05)
    assert card.to_json()["validation_images"] == 360
    assert "one seed per network in this study" in card.markdown(Written((), ()))
    text = card_of(one, other, again).markdown(Written((), ()))
    assert "of\n2 trained networks 2 are on the front" in text
    few = "validation accuracy of this network, 94.00%, mean of 2 seeds; the study has too few further seeds for an interval"
    assert few in text
    assert few in card_of(one, other, again).summary(Path("out"))
    more = [replace(again, number=4 + i, accuracy=accuracy) for i, accuracy in enumerate((0.94, 0.95, 0.93))]
    text = card_of(one, other, again, *more).markdown(Written((), ()))
    assert "94.00%, mean of 5 seeds (95% interval over seeds 92.76% to 95.24%, of this network alone; seed" in text
    worse = replace(card, validation=0.9, test=0.95).difference_line()
    assert worse.startswith("validation - test -5.00 points (")
    assert "tends to flatter" in worse, "whatever came out this time"
    assert replace(card, test=0.95).difference_line().startswith("validation - test 0.00 points (")
    for line in (card.difference_line(), card.test_line(), card.validation_line()):
        assert line in card.markdown(Written((), ()))
        assert line in card.summary(Path("out"))
    assert (card.test_line().count("n = 360"), card.validation_line().count("n = 360")) == (1, 1)


def test_a_trial_without_weights_is_trained_again_to_the_same_network(
    study: Reader, made: Path, tmp_path: Path, quick: None
) -> None:
    trial = chosen(study)
    weights = kept(study, trial.number)
    content = weights.read_bytes()
    weights.unlink()
    try:
        card = export_trial(study, trial, tmp_path / "again", device="cpu", console=QUIET)
    finally:
        weights.write_bytes(content)
    first, again = (load_file(folder / "model.safetensors") for folder in (made, tmp_path / "again"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert card.note
    assert (
        f"trained again for this export with the trial's seed {trial.seed}"
        in (tmp_path / "again/README.md").read_text()
    )


def test_weights_of_an_older_release_are_trained_again(study: Reader, tmp_path: Path, quick: None) -> None:
    shutil.copytree(study.folder, tmp_path / "old")
    file = tmp_path / "old" / "study.yaml"
    file.write_text(file.read_text().replace("version: 3", "version: 1"))
    old, console = Reader(tmp_path / "old"), Console(record=True, file=io.StringIO(), width=200)
    card = export_trial(old, chosen(old), tmp_path / "out", device="cpu", console=console)
    said = f"a study of version 1 has other weights of trial {chosen(old).number}; training it again"
    assert re.search(rf"{said} \(\d+ s in the search\)\n", console.export_text())
    assert card.note
    assert card.note.startswith("trained again for this export")


def test_each_step_is_named_as_it_begins_with_how_many_there_are(
    study: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr("nas.process.progress.PAUSE", 0.0)
    console = Console(file=io.StringIO(), width=80)
    export_trial(study, chosen(study), tmp_path / "out", device="cpu", console=console, formats=("pt2",))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    names = list(dict.fromkeys(line.partition(":")[0] for line in lines if line.startswith("export ")))
    assert names == [
        f"export {number} of 8, {what}"
        for number, what in enumerate([
            "weights that the study kept", "validation split", "test split", "model.pt2",
            "loading its files in fresh processes", "timing it", "test split, reloaded", "pictures from files",
        ], 1)
    ]  # fmt: skip
    assert "export 3 of 8, test split: 359 of 359 images, 0:00:00 left" in lines


def test_damaged_or_foreign_weights_are_refused(study: Reader, tmp_path: Path) -> None:
    trial = chosen(study)
    weights = kept(study, trial.number)
    content = weights.read_bytes()
    try:
        weights.write_bytes(content[:100])
        with pytest.raises(InputError, match=f"weights of trial {trial.number} must be whole, got .*; remove them"):
            export_trial(study, trial, tmp_path / "out", device="cpu", console=QUIET)
        values = load_file(bytes_to(tmp_path / "w.safetensors", content))
        save_file({name: torch.zeros_like(value) for name, value in values.items()}, weights)
        with pytest.raises(VerificationError, match="must reach their recorded validation accuracy"):
            export_trial(study, trial, tmp_path / "out", device="cpu", console=QUIET)
    finally:
        weights.write_bytes(content)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))


def test_kept_weights_may_differ_by_a_picture_where_one_is_more_than_a_point(tmp_path: Path, quick: None) -> None:
    """The search scores in its recipe's precision, the export in float32."""
    from tests.conftest import TINY_RECIPE

    for i in range(80):
        folder = tmp_path / "images" / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 100 * (i % 2) + i // 2, np.uint8)).save(folder / f"{i}.png")
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE)
    path, _ = run_search(
        Space.load("digits"), str(tmp_path / "images"), Budget.parse("200K..4M"),
        SearchPlan(trials=1, recipe_file=tmp_path / "recipe.yaml", name="few", runs=tmp_path, device="cpu", command=""),
        QUIET,
    )  # fmt: skip
    few = Reader(path)
    trial, image = chosen(few), 1 / few.settings.data.validation
    assert image > 0.01
    assert trial.accuracy is not None
    for pictures in (1, 3):
        noted = replace(trial, accuracy=trial.accuracy - pictures * image)
        export_trial(few, noted, tmp_path / "out", device="cpu", console=QUIET, force=True)
    noted = replace(trial, accuracy=trial.accuracy - 4 * image)
    with pytest.raises(VerificationError, match="must reach their recorded validation accuracy"):
        export_trial(few, noted, tmp_path / "out", device="cpu", console=QUIET, force=True)


def test_logits_of_thousands_are_no_fault(study: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tolerances are of the size of the logits."""

    def here(kinds: Collection[str], folder: Path, inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
        models = {kind: verify_subprocess.KINDS[kind](folder) for kind in kinds}
        return {kind: {name: model(x).detach() for name, x in inputs.items()} for kind, model in models.items()}

    monkeypatch.setattr("nas.export.formats.run_in_process", here)
    monkeypatch.setattr("nas.export.folder.BATCHES", ())
    trial = chosen(study)
    weights = kept(study, trial.number)
    content = weights.read_bytes()
    values = load_file(bytes_to(tmp_path / "w.safetensors", content))
    last = ["head.linear.weight", "head.linear.bias"]
    try:
        save_file({name: value * (9000.0 if name in last else 1) for name, value in values.items()}, weights)
        export_trial(study, trial, tmp_path / "out", device="cpu", console=QUIET, formats=("pt2", "onnx"))
    finally:
        weights.write_bytes(content)
    model, preprocess = nas.load_export(tmp_path / "out")
    assert model(preprocess(load("digits").test.images)).abs().max() > 3000


def bytes_to(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_does_not_verify_gets_no_name(
    study: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    def other_weights(path: Path) -> dict[str, torch.Tensor]:
        return {name: value + 0.1 * torch.ones_like(value) for name, value in load_file(path).items()}

    monkeypatch.setattr("nas.export.load.load_file", other_weights)
    with pytest.raises(VerificationError, match="export must give equal logits once reloaded, got others; report this"):
        export_trial(study, chosen(study), tmp_path / "out", device="cpu", console=QUIET)
    assert not list(tmp_path.iterdir())


def test_refusals(study: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match=r"out must be an export to be overwritten, got .*there; remove it by hand"):
        export_trial(study, chosen(study), tmp_path / "there", console=QUIET, force=True)
    with pytest.raises(
        InputError, match=r"stages\[0\].norm_after|number of stages must be 4|must be convnext or depthw"
    ):
        export_trial(study, chosen(study), tmp_path / "out", console=QUIET, formats=("timm",))
    monkeypatch.setattr("nas.export.formats.find_spec", lambda name: None)
    with pytest.raises(
        InputError,
        match=r"format onnx must have onnx installed, got none; pip install -e '\.\[onnx\]' in the clone of nas",
    ):
        export_trial(study, chosen(study), tmp_path / "out", console=QUIET, formats=("onnx",))
    with pytest.raises(InputError, match=r"out must be a new folder, got .*there, which exists"):
        export_trial(study, chosen(study), tmp_path / "there", console=QUIET)
    monkeypatch.chdir(tmp_path / "there")
    for out, path in ((".", tmp_path / "there"), ("..", tmp_path)):
        with pytest.raises(InputError) as refused:
            export_trial(study, chosen(study), Path(out), console=QUIET, force=True)
        assert str(refused.value) == f"out must end in a folder's name, got {out}; write {path}"
    with pytest.raises(InputError, match=r"trial must be complete, got trial 9 \(failed\)"):
        export_trial(study, Trial(number=9, state="failed"), tmp_path / "out", console=QUIET)


def test_other_data_is_refused(study: Reader, tmp_path: Path) -> None:
    for i in range(60):
        folder = tmp_path / "images" / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / f"{i}.png")
    with pytest.raises(
        InputError, match=r"data must be the study's \(digits, fingerprint .*\), got .*; give its folder"
    ):
        export_trial(study, chosen(study), tmp_path / "out", data_source=str(tmp_path / "images"), console=QUIET)


def test_data_that_is_gone_says_how_to_name_it(study: Reader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data must be .*, or say with --data where the study's data is now"):
        export_trial(study, chosen(study), tmp_path / "out", data_source=str(tmp_path / "gone"), console=QUIET)


def test_loading_refuses_what_is_not_an_export(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"export must be a folder with model.safetensors, got"):
        nas.load_export(tmp_path)
    shutil.copytree(made, tmp_path / "out")
    plain = yaml.safe_load((tmp_path / "out" / "arch.yaml").read_text())
    plain["stages"][0]["width"] = 48
    (tmp_path / "out" / "arch.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(InputError, match=r"export must be whole, got .*; export the network again"):
        nas.load_export(tmp_path / "out")
    (tmp_path / "out" / "preprocess.json").write_bytes(b"{\xff")
    with pytest.raises(InputError, match=r"export must be whole, got .*utf-8.*; export the network again"):
        nas.load_export(tmp_path / "out")


def test_onnx_carries_its_preprocessing(made: Path) -> None:
    model = onnx.load(made / "model.onnx")
    assert [side.dim_param for side in model.graph.input[0].type.tensor_type.shape.dim][:2] == ["batch", ""]
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    inner = {side.dim_param for value in model.graph.value_info for side in value.type.tensor_type.shape.dim}
    assert inner - {"", "batch", "height", "width"}, "smaller maps have sizes of their own"
    carried = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert carried == json.loads((made / "preprocess.json").read_text())
    assert (carried["image_size"], carried["channels"], carried["classes"][3]) == (8, 1, "3")


def test_preprocessing_takes_pictures_arrays_and_batches(made: Path) -> None:
    preprocess = nas.load_export(made).preprocess
    array = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    expected = (torch.from_numpy(array) / 255 - preprocess.mean[0]) / preprocess.std[0]
    for picture in (array, array[..., None], Image.fromarray(array), [array], array[None, ..., None]):
        torch.testing.assert_close(preprocess(picture), expected[None, None], atol=1e-6, rtol=0)
    assert preprocess([array, array]).shape == (2, 1, 8, 8)
    assert preprocess(Image.new("RGB", (30, 20))).shape == (1, 1, 8, 8)
    with pytest.raises(InputError, match=r"picture must be uint8 \(H, W\) or \(H, W, C\), got float64"):
        preprocess(array / 255)  # type: ignore[arg-type]
    for wrong in (array[..., None, None], array[0], np.dstack([array, array])):
        with pytest.raises(InputError, match=r"picture must be uint8 \(H, W\) or \(H, W, C\), got uint8 \(8"):
            preprocess([wrong])
    with pytest.raises(InputError, match="pictures must be one at least, got none; give some"):
        preprocess([])
    with pytest.raises(InputError, match="picture must be a PIL image, a file or an array, got int"):
        preprocess([7])  # type: ignore[list-item]


def test_artifacts_are_named_by_the_journal_alone(study: Reader) -> None:
    listed = [name for frozen in study.frozen() for name in artifact_ids(frozen.system_attrs, WEIGHTS)]
    assert listed
    assert all((study.folder / ARTIFACTS / name).parent == study.folder / ARTIFACTS for name in listed)


def test_force_overwrites_an_export_and_interruption_keeps_it(
    study: Reader, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    out = tmp_path / "out"
    shutil.copytree(made, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas.export.folder.verify", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export_trial(study, chosen(study), out, device="cpu", console=QUIET, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    out.rename(tmp_path / f".out.{2**22 + 1}.old")  # as if killed between its two renames: no such process
    (tmp_path / f".out.{2**22 + 1}.tmp").mkdir()
    other = next(trial for trial in study.trials() if trial.state == "complete" and trial.key != chosen(study).key)
    export_trial(study, other, out, device="cpu", console=QUIET, force=True)
    assert Arch.load(out / "arch.yaml").key == other.key
    assert not (out / "model.onnx").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_overwrites_no_export_through_a_link(study: Reader, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "knee")
    predictions = folder_of(tmp_path / "knee")
    predictions.mkdir()
    (tmp_path / "current").symlink_to("knee")
    with pytest.raises(InputError) as refused:
        export_trial(study, chosen(study), tmp_path / "current", device="cpu", console=QUIET, force=True)
    assert str(refused.value) == (
        f"out must be a folder, got {tmp_path / 'current'}, a link to {tmp_path / 'knee'}; name that one"
    )
    assert predictions.is_dir()


def test_an_export_that_comes_meanwhile_stays(
    study: Reader, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    out = tmp_path / "out"
    predictions = folder_of(out)

    def meanwhile(folder: Path, network: object, files: object, images: object) -> object:
        shutil.copytree(made, out)
        predictions.mkdir()
        return files

    monkeypatch.setattr("nas.export.folder.verify", meanwhile)
    with pytest.raises(InputError, match=r"out must be a new folder, got .*out, which exists; choose another, or over"):
        export_trial(study, chosen(study), out, device="cpu", console=QUIET)
    assert (out / "model.onnx").is_file()
    assert sorted(tmp_path.iterdir()) == [out, predictions]
