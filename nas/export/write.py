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

from nas.data.dataset import Data, Split
from nas.data.study_data import load_study_data
from nas.export.folder import CHECKED, check_out, write
from nas.export.formats import VerificationError, check_formats
from nas.export.front_svg import front_svg
from nas.export.load import CARD, Preprocess, load_export
from nas.export.model_card import ModelCard
from nas.export.verify_pictures import verify_pictures
from nas.records.files import write_whole
from nas.records.trial import WEIGHTS as KEPT_WEIGHTS
from nas.records.trial import Trial
from nas.storage.reader import Reader
from nas.storage.study_folder import package_versions
from nas.training.brief import train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import count_classes, evaluate, predict
from space import InputError
from space.network import Network

FRONT = "front.svg"
ROUNDING = 0.01  # how far another device or precision may move the accuracy of kept weights from the record


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
    network, note = _network(reader, trial, data, target, console)
    network = network.cpu().eval()
    validation, test = (count_classes(network, _on_cpu(split, data)) for split in (data.validation, data.test))
    card = ModelCard(
        trial=trial, settings=reader.settings, trials=reader.trials(), validation=validation.accuracy,
        test=test.accuracy, note=note, versions=package_versions(), test_counts=test,
    )  # fmt: skip
    preprocess = Preprocess(data.image_size, data.channels, data.mean, data.std, data.classes)
    picture = front_svg(
        card.trials, card.settings.band, trial, f"{card.settings.name}: {data.name}, {card.settings.training}"
    )
    with console.status(f"writing {out} and loading it back"):
        write(
            out, network, preprocess, checked_images(data), card.markdown, formats=formats, force=force,
            extra=lambda folder: write_whole(folder / FRONT, picture),
            check=lambda folder: _verify(folder, network, data, card),
        )  # fmt: skip
    return card


def checked_images(data: Data) -> Tensor:
    """The first of the test images, normalised: (N, C, H, W)."""
    split = _on_cpu(data.test, data)
    return split.normalise(next(split.in_order(CHECKED))).permute(0, 3, 1, 2)


def _network(
    reader: Reader, trial: Trial, data: Data, device: torch.device, console: Console
) -> tuple[Network, str | None]:
    """The trained network, and a remark for its card where it had to be trained again."""
    settings, arch = reader.settings, trial.to_arch()
    readable = settings.version >= 2  # version 1 named its weights otherwise
    kept = reader.artifact(trial.number, KEPT_WEIGHTS) if readable else None
    if kept is None:
        seconds = f"{trial.seconds:.0f} s" if trial.seconds else "a while"
        why = "the study kept no weights" if readable else f"a study of version {settings.version} has other weights"
        console.print(f"note: {why} of trial {trial.number}; training it again (about {seconds})")
        assert trial.seed is not None
        recipe = settings.build_recipe()
        again = train(arch, settings.task, DeviceData.place(data, recipe, device), recipe, seed=trial.seed)
        return again.network, (
            f"trained again for this export with the trial's seed {trial.seed}; validation accuracy was "
            f"{trial.accuracy:.4f} in the search and {again.accuracy:.4f} now"
        )
    network = Network(arch, settings.task)
    try:
        network.load_state_dict(load(kept))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"weights of trial {trial.number} must be whole, got {reason}; remove them to train again"
        ) from error
    accuracy = evaluate(network, _on_cpu(data.validation, data))
    recorded = trial.accuracy or 0.0
    if abs(accuracy - recorded) > ROUNDING:
        raise VerificationError(
            f"weights of trial {trial.number} must reach their recorded validation accuracy {recorded:.4f}, "
            f"got {accuracy:.4f}; remove them to train again"
        )
    return network, None


def _on_cpu(split: Split, data: Data) -> DeviceSplit:
    return DeviceSplit(split, data, torch.device("cpu"))


def _verify(folder: Path, network: Network, data: Data, card: ModelCard) -> None:
    """Loads the folder back: logits on the whole test split equal to the last bit, the accuracy that stands in the
    card, and pictures from files that become what was trained on."""
    loaded, split = load_export(folder), _on_cpu(data.test, data)
    logits = predict(loaded.model, split)
    if not torch.equal(logits, predict(network, split)):
        raise VerificationError("export must give equal logits once reloaded, got others; report this")
    verify_pictures(folder, data, checked_images(data))
    accuracy = (logits.argmax(1) == split.labels).sum().item() / len(split)
    if replace(card, test=accuracy).test_line() not in (folder / CARD).read_text(encoding="utf-8"):
        raise VerificationError(
            f"export must reach its card's test accuracy {card.test:.4f}, got {accuracy:.4f}; report this"
        )
