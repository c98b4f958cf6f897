"""modeling.py: an exported network alone, in one file of plain PyTorch that imports nothing of this project."""

from __future__ import annotations

import inspect
import textwrap

from nas.analysis.wording import FLOPS_WORDS, describe
from nas.data.images import DECODING
from nas.export.load import WEIGHTS, Preprocess
from space import Arch, Task, compact, cost
from space.standalone_source import network_source

MODELING = "modeling.py"

_LOAD = '''
def preprocess(pictures: object) -> Tensor:
    """A PIL image, the path of a file, a uint8 array or tensor (H, W), (H, W, C) or (N, H, W, C), or a list of these
    -> float (N, {channels}, {size}, {size}), normalised.

    uint8 (N, {size}, {size}, {channels}) is taken as it is; anything else is read as in training, see `read`.
    """
    kind, shape = str(getattr(pictures, "dtype", "uint8")).removeprefix("torch."), getattr(pictures, "shape", ())
    if kind != "uint8":
        raise ValueError(f"pictures must be uint8, from 0 to 255, got {{kind}} {{tuple(shape)}}; convert them")
    if tuple(shape[1:]) != ({size}, {size}, {channels}):
        pixels = torch.from_numpy(read(pictures))
    else:  # torch takes no array that is read backwards
        pixels = pictures if isinstance(pictures, Tensor) else torch.tensor(pictures.copy())
    mean, std = (255 * torch.tensor(values, device=pixels.device) for values in (MEAN, STD))
    return ((pixels.float() - mean) * (1 / std)).permute(0, 3, 1, 2)


def read(pictures: object) -> Any:
    """Pictures, see `preprocess`, as the network was trained on them: a numpy array (N, {size}, {size}, {channels}).

    Upright by their EXIF orientation, alpha over white, the centred square, resized. Needs Pillow and numpy.
    """
    import warnings
    from contextlib import suppress
    from io import BytesIO

    import numpy as np
    from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

    class InputError(ValueError):
        """What cannot be read, and why."""

    Pixels, Picture = np.ndarray, Image.Image | str | Path | np.ndarray

{decoding}

    add_formats()
    return stacked(pictures, {size}, {channels})


def load(folder: str | Path = Path(__file__).parent) -> Network:
    """The network with its weights, in evaluation mode, on the CPU. `CLASSES` names the logits."""
    network = Network()
    network.load_state_dict(load_file(Path(folder) / "{weights}"))
    return network.eval()
'''


def _decoding() -> str:
    """The source of the functions that decode in training, to stand inside another."""
    texts = (inspect.getsource(function) for function in DECODING)
    lines = (line.partition("  # type:")[0].rstrip() for line in "\n".join(texts).splitlines())
    return textwrap.indent("\n".join(lines), "    ").rstrip()


def modeling_source(arch: Arch, task: Task, preprocess: Preprocess) -> str:
    """The file's text. Raises `standalone_source.Unwritable` for a part of another package that cannot be copied."""
    counts = cost(arch, task)
    about = (
        f'"""{describe(arch)}\n\n{compact(counts.flops)} FLOPs at {task.image_size} px '
        f"({FLOPS_WORDS}), "
        f"{counts.params:,} parameters. Written by nas from its own source\nfor the network {arch.key}. "
        "Needs torch and safetensors, and Pillow and numpy for pictures:\n\n    from modeling import load, preprocess\n"
        '    logits = load()(preprocess("picture.jpg"))\n'
        '"""'
    )
    imports, _, classes = network_source(arch, task).partition("\n\n\n")
    imports = imports.replace(
        "import OrderedDict\n",
        "import OrderedDict\nfrom collections.abc import Sequence\nfrom pathlib import Path\nfrom typing import Any\n",
    )
    imports = imports.replace(
        "from torch import Tensor", "from safetensors.torch import load_file\nfrom torch import Tensor"
    )
    values = f"MEAN, STD = {preprocess.mean!r}, {preprocess.std!r}  # per channel, in 0..1 units"
    values += f"\nCLASSES = {preprocess.classes!r}  # what the logits stand for, in their order"
    load = _LOAD.format(size=task.image_size, channels=task.channels, weights=WEIGHTS, decoding=_decoding())
    return f"{about}\n\nfrom __future__ import annotations\n\n{imports}\n\n{values}\n\n\n{classes}\n{load}"
