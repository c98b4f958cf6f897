"""Export: a trial's network as a folder with its weights and model card, tested on the untouched split and verified."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from nas.analysis.cost_axes import cost_of
from nas.data.dataset import Data, Split
from nas.data.study_data import load_study_data
from nas.export.facts import Facts
from nas.export.folder import CHECKED, check_out, steps_of, write
from nas.export.formats import VerificationError, check_formats
from nas.export.front_svg import front_svg
from nas.export.load import CARD, Preprocess, load_export
from nas.export.model_card import ModelCard
from nas.export.verify_pictures import verify_pictures
from nas.latency.front_check import checked_networks
from nas.process.files import write_whole
from nas.process.progress import StepLine
from nas.records.reference import read_references
from nas.records.scores import ClassCounts
from nas.records.settings import with_extent
from nas.records.trial import WEIGHTS as KEPT_WEIGHTS
from nas.records.trial import Period, Trial
from nas.storage.reader import Reader
from nas.storage.study_folder import package_versions
from nas.training.brief import Verdict, train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import counts_of, predict
from space import InputError
from space.network import Network

FRONT = "front.svg"
OWN_STEPS = 5  # the weights, validation split, test split, that of what was reloaded, pictures
ROUNDING = 0.01  # how far another device or precision may move the accuracy of kept weights from the record;
FLIPPED = 3  # or of how many validation images the answer, where these are more than that


def export_trial(
    reader: Reader,
    trial: Trial,
    out: Path,
    *,
    data_source: str | None = None,
    device: str = "auto",
    console: Console,
    formats: Collection[str] = (),
    force: bool = False,
) -> ModelCard:
    """Writes the folder `out` (aside, then renamed) and verifies it by loading each file in a fresh process.

    Weights come from the study where it kept them (the front), else the network is trained again with its seed.
    Raises InputError if `out` exists and not `force`, the trial is not complete, the data is not the study's or one of
    `formats` cannot be; VerificationError if the reloaded logits or accuracy differ.
    """
    check_out(out, force)
    if trial.state != "complete":
        raise InputError(f"trial must be complete, got trial {trial.number} ({trial.state}); choose one of the front")
    check_formats(formats, Network(trial.to_arch(), reader.settings.task))
    target = choose_device(device)
    data = load_study_data(reader.settings, data_source, console)
    steps = StepLine(console, "export", OWN_STEPS + steps_of(formats))
    network, note = _network(reader, trial, data, target, steps)
    network = network.cpu().eval()
    validation = _counts(_logits(network, data.validation, data, steps, "validation split"), data.validation)
    if note is None:
        _check_recorded(trial, validation)
    logits = _logits(network, data.test, data, steps, "test split")
    test = _counts(logits, data.test)
    measured = checked_networks(reader.folder, reader.settings, [trial])
    outside = [f"latency in the search: {each}" for each in measured if each.outside]
    settings = replace(reader.settings, command=with_extent(reader.settings, reader.extent()))
    card = ModelCard(
        trial=trial, settings=settings, trials=reader.trials(), validation=validation.accuracy,
        test=test.accuracy, note=note, outside=next(iter(outside), None), versions=package_versions(), test_counts=test,
        validation_counts=validation,
        references=read_references(reader.folder),
    )  # fmt: skip
    preprocess = Preprocess(data.image_size, data.channels, data.mean, data.std, data.classes)
    picture = front_svg(
        card.trials, card.settings.ends, trial, f"{card.settings.name}: {data.name}, {card.settings.training}",
        cost_of(card.settings),
    )  # fmt: skip
    facts = Facts(reader.settings.data.source, data.fingerprint, card.validation, card.test, searched=True)

    def extra(folder: Path) -> None:
        facts.write(folder)
        write_whole(folder / FRONT, picture)

    write(
        out, network, preprocess, checked_images(data), card.markdown, formats=formats, force=force, steps=steps,
        extra=extra,
        check=lambda folder: _verify(folder, logits, data, card, steps),
    )  # fmt: skip
    return card


def checked_images(data: Data) -> Tensor:
    """The first of the test images, normalised: (N, C, H, W)."""
    split = _on_cpu(data.test, data)
    return split.normalise(next(split.in_order(CHECKED))).permute(0, 3, 1, 2)


def _network(
    reader: Reader, trial: Trial, data: Data, device: torch.device, steps: StepLine
) -> tuple[Network, str | None]:
    """The trained network, and a remark for its card where it had to be trained again."""
    settings, arch = reader.settings, trial.to_arch()
    readable = settings.version >= 2  # version 1 named its weights otherwise
    kept = reader.artifact(trial.number, KEPT_WEIGHTS) if readable else None
    if kept is None:
        took = f" ({trial.seconds:.0f} s in the search)" if trial.seconds else ""
        why = "the study kept no weights" if readable else f"a study of version {settings.version} has other weights"
        steps.console.print(
            f"note: {why} of trial {trial.number}; training it again{took}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        assert trial.seed is not None
        recipe = settings.build_recipe()
        with steps.step("training it again", recipe.length) as report:

            def on_period(period: Period) -> Verdict:
                report(period.images)
                return "go on"

            placed = DeviceData.place(data, recipe, device)
            again = train(arch, settings.task, placed, recipe, seed=trial.seed, on_period=on_period)
        differs = again.accuracy != trial.accuracy
        return again.network, (
            f"trained again for this export with the trial's seed {trial.seed}; validation accuracy was "
            f"{trial.accuracy:.2%} in the search and {again.accuracy:.2%} now"
            + (", as happens where a training had other threads or another machine" if differs else "")
        )
    network = Network(arch, settings.task)
    try:
        with steps.step("weights that the study kept"):
            network.load_state_dict(load(kept))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"weights of trial {trial.number} must be whole, got {reason}; remove them to train again"
        ) from error
    return network, None


def _check_recorded(trial: Trial, validation: ClassCounts) -> None:
    """Raises VerificationError where kept weights are not those that the study recorded."""
    recorded, accuracy, images = trial.accuracy or 0.0, validation.accuracy, sum(validation.images)
    if abs(accuracy - recorded) > max(ROUNDING, (FLIPPED + 0.5) / images):
        raise VerificationError(
            f"weights of trial {trial.number} must reach their recorded validation accuracy {recorded:.2%}, "
            f"got {accuracy:.2%}; remove them to train again"
        )


def _logits(network: Network, split: Split, data: Data, steps: StepLine, what: str) -> Tensor:
    """Of a whole split, on the CPU: (N, classes)."""
    with steps.step(what, len(split.labels)) as report:
        return predict(network, _on_cpu(split, data), on_images=report)


def _counts(logits: Tensor, split: Split) -> ClassCounts:
    return counts_of(logits, torch.as_tensor(split.labels))


def _on_cpu(split: Split, data: Data) -> DeviceSplit:
    return DeviceSplit(split, data, torch.device("cpu"))


def _verify(folder: Path, expected: Tensor, data: Data, card: ModelCard, steps: StepLine) -> None:
    """Loads the folder back: logits on the whole test split equal to those `expected` (N, classes) to the last bit, the
    accuracy that stands in the card, and pictures from files that become what was trained on."""
    logits = _logits(load_export(folder).model, data.test, data, steps, "test split, reloaded")
    if not torch.equal(logits, expected):
        raise VerificationError("export must give equal logits once reloaded, got others; report this")
    with steps.step("pictures from files"):
        verify_pictures(folder, data, checked_images(data))
    accuracy = _counts(logits, data.test).accuracy
    if replace(card, test=accuracy).test_line() not in (folder / CARD).read_text(encoding="utf-8"):
        raise VerificationError(
            f"export must reach its card's test accuracy {card.test:.2%}, got {accuracy:.2%}; report this"
        )
