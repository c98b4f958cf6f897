"""Loading an export: `model, preprocess = nas.load_export(DIR)`. Needs torch, safetensors and this package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from pydantic import ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nas.data.images import Picture, stacked
from nas.export.arch_source import ARCH, PREPROCESS
from nas.process.errors import first_line
from space import Arch, InputError, Task
from space.network import Network
from space.reading import check

WEIGHTS, CARD = "model.safetensors", "README.md"
LOADING = 'import nas\nmodel, preprocess = nas.load_export("{folder}")\nlogits = model(preprocess(image))'


@dataclass(frozen=True, slots=True)
class Preprocess:
    """From pictures to what the network takes; `classes[i]` names logit i."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    image_size: int
    channels: int
    mean: tuple[float, ...]  # per channel, in 0..1 units
    std: tuple[float, ...]
    classes: tuple[str, ...]

    def __call__(self, pictures: Picture | Sequence[Picture]) -> Tensor:
        """A PIL image, the path of a file, a uint8 array (H, W) or (H, W, C), a list of those, or a uint8 array
        (N, H, W, C) -> float32 (N, channels, image_size, image_size), normalised.

        Read as in training (`nas.data.images`): upright by EXIF orientation, alpha over white; other sizes are cropped
        to a centred square and resized. Raises InputError for what is not a picture or cannot be read.
        """
        return self.normalise(torch.from_numpy(stacked(pictures, self.image_size, self.channels)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 (N, H, W, C) -> float32 (N, C, H, W), by the arithmetic of training, to the last bit."""
        mean, std = (255 * torch.tensor(values) for values in (self.mean, self.std))
        return ((pixels.float() - mean) * (1 / std)).permute(0, 3, 1, 2)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


class Exported(NamedTuple):
    """A network ready to run (evaluation mode, on the CPU) and its preprocessing."""

    model: Network
    preprocess: Preprocess


def load_export(folder: str | Path) -> Exported:
    """The network in an export folder. Raises InputError for a folder that is not one, or is damaged."""
    folder = Path(folder)
    missing = [name for name in (WEIGHTS, ARCH, PREPROCESS) if not (folder / name).is_file()]
    if missing:
        raise InputError(f"export must be a folder with {missing[0]}, got {folder}; make one with `nas export`")
    arch, preprocess = Arch.load(folder / ARCH), load_preprocess(folder)
    try:
        model = Network(arch, Task(preprocess.image_size, preprocess.channels, len(preprocess.classes)))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise _damaged(folder, error) from error
    return Exported(model.eval(), preprocess)


def load_preprocess(folder: Path) -> Preprocess:
    """The preprocessing of an export folder. Raises InputError where it is damaged."""
    path = folder / PREPROCESS
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise _damaged(folder, error) from error
    return check(Preprocess, plain, str(path))


def _damaged(folder: Path, error: Exception) -> InputError:
    return InputError(f"export must be whole, got {folder} ({first_line(error)}); export the network again")
