"""Loading an export: `model, preprocess = nas.load_export(DIR)`. Needs torch, safetensors and this package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from nas.data.images import fit
from nas.export.arch_source import ARCH, PREPROCESS
from space import Arch, InputError, Task
from space.network import Network
from space.reading import check

WEIGHTS, CARD = "model.safetensors", "README.md"
LOADING = 'import nas\nmodel, preprocess = nas.load_export("{folder}")\nlogits = model(preprocess(image))'

Picture = Image.Image | NDArray[np.uint8]


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
        """One PIL image, one uint8 array (H, W) or (H, W, C), a list of those, or a uint8 array (N, H, W, C)
        -> float32 (N, channels, image_size, image_size), normalised.

        Other sizes are cropped to a centred square and resized. Raises InputError for what is not a picture.
        """
        single = isinstance(pictures, Image.Image) or (isinstance(pictures, np.ndarray) and pictures.ndim < 4)
        rows = cast("Sequence[Picture]", [pictures] if single else pictures)
        if not len(rows):
            raise InputError("pictures must be one at least, got none; give some")
        stack = np.stack([self._pixels(picture) for picture in rows])
        scaled = torch.from_numpy(stack).permute(0, 3, 1, 2) / 255  # (N, C, H, W)
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (scaled - mean) / std

    def _pixels(self, picture: Picture) -> NDArray[np.uint8]:
        if isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.shape[2:] not in ((), (1,), (3,), (4,)) or picture.ndim < 2:
                raise InputError(
                    f"picture must be uint8 (H, W) or (H, W, C), got {picture.dtype} {picture.shape}; convert it"
                )
            picture = Image.fromarray(picture.squeeze(2) if picture.shape[2:] == (1,) else picture)
        if not isinstance(picture, Image.Image):
            raise InputError(f"picture must be a PIL image or an array, got {type(picture).__name__}; convert it")
        pixels = fit(picture.convert("L" if self.channels == 1 else "RGB"), self.image_size)
        return pixels[..., None] if pixels.ndim == 2 else pixels

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
    arch = Arch.load(folder / ARCH)
    try:
        plain = json.loads((folder / PREPROCESS).read_text(encoding="utf-8"))
        preprocess = check(Preprocess, plain, str(folder / PREPROCESS))
        model = Network(arch, Task(preprocess.image_size, preprocess.channels, len(preprocess.classes)))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (json.JSONDecodeError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"export must be whole, got {folder} ({reason}); export the network again") from error
    return Exported(model.eval(), preprocess)
