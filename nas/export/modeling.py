"""modeling.py: an exported network alone, in one file of plain PyTorch that imports nothing of this project."""

from __future__ import annotations

from nas.analysis.wording import CONVENTION, describe
from nas.export.load import WEIGHTS, Preprocess
from space import Arch, Task, compact, cost
from space.standalone_source import network_source

MODELING = "modeling.py"

_LOAD = '''
def preprocess(images: object) -> Tensor:
    """uint8 (N, H, W, {channels}), 0 to 255, a numpy array or a tensor -> float (N, {channels}, H, W), normalised.

    The network was trained on {size} x {size} pixels: crop and resize to that.
    """
    plain = images.copy() if hasattr(images, "copy") else images  # torch takes no array that is read backwards
    pixels = images if isinstance(images, Tensor) else torch.tensor(plain)
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[3] != {channels}:
        got = f"{{pixels.dtype}} {{tuple(pixels.shape)}}"
        raise ValueError(f"images must be uint8 (N, H, W, {channels}), from 0 to 255, got {{got}}; convert them")
    mean, std = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (MEAN, STD))
    return (pixels.permute(0, 3, 1, 2) / 255 - mean) / std


def load(folder: str | Path = Path(__file__).parent) -> Network:
    """The network with its weights, in evaluation mode, on the CPU. `classes` in preprocess.json names the logits."""
    network = Network()
    network.load_state_dict(load_file(Path(folder) / "{weights}"))
    return network.eval()
'''


def modeling_source(arch: Arch, task: Task, preprocess: Preprocess) -> str:
    """The file's text. Raises `standalone_source.Unwritable` for a part of another package that cannot be copied."""
    counts = cost(arch, task)
    about = (
        f'"""{describe(arch)}\n\n{compact(counts.flops)} FLOPs at {task.image_size} px '
        f"({CONVENTION.partition(': ')[2]}), "
        f"{counts.params:,} parameters. Written by nas from its own source\nfor the network {arch.key}. "
        "Needs torch and safetensors:\n\n    from modeling import load\n    logits = load()(preprocess(images))\n"
        '"""'
    )
    imports, _, classes = network_source(arch, task).partition("\n\n\n")
    imports = imports.replace("import OrderedDict\n", "import OrderedDict\nfrom pathlib import Path\n")
    imports = imports.replace(
        "from torch import Tensor", "from safetensors.torch import load_file\nfrom torch import Tensor"
    )
    values = f"MEAN, STD = {preprocess.mean!r}, {preprocess.std!r}  # per channel, in 0..1 units"
    load = _LOAD.format(size=task.image_size, channels=task.channels, weights=WEIGHTS)
    return f"{about}\n\nfrom __future__ import annotations\n\n{imports}\n\n{values}\n\n\n{classes}\n{load}"
