"""A space and a recipe to begin from, with a word on each line."""

from __future__ import annotations

from pathlib import Path

from nas.process.files import write_whole
from space import InputError
from space.reading import PRESETS, nearest, presets

AXES = {
    "stages": "number of stages",
    "ratio": "blocks of the stages to each other; those with as many entries as stages are used",
    "depth": "blocks in all",
    "width": "channels of the first stage; the FLOPs budget of a search chooses among them",
    "growth": "channels of a stage over those of the one before",
    "block": "ConvNeXt's, or Conv2Former's convolutional modulation",
    "kernel": "side of the depthwise convolution",
    "expansion": "hidden channels of a block over its own",
    "norm": "LayerNorm, BatchNorm; gn, rms",
    "act": "activation",
    "layer_scale": "its first value; null: none",
    "stem": "what comes before the stages",
    "stem.stride": "pixels to a side of a patch",
}
RECIPE = """\
# How each network of a search is trained: `nas search ... --recipe recipe.yaml`. What is commented out
# holds as it is written; without its first # a line can say otherwise. docs/space.md says more on each.

images: 30000            # that a network sees
# epochs: null           # in place of images: passes over the training images
# period_images: null    # from one evaluation to the next; null: a sixth of images, or an epoch
# batch_size: 64
# optimizer: muon        # Muon for the matrices of blocks, AdamW for the rest; adamw: for all
# lr: 0.002              # AdamW's
# muon_lr: 0.008
# weight_decay: 0.05
# warmup: 0.03           # part of all steps
# schedule: constant     # of the rate after the warm-up; cosine: to 0
# average: 0.1           # evaluated is the average of the weights over this part of the steps so far; null: the weights
# ema: null              # in its place: the decay per step of a moving average
# label_smoothing: 0.1
# drop_path: null        # null: the network's own
# crop: null             # padding in pixels of the random crop; null: as the data suggests
# crop_after: 1          # passes over the training images before crops begin
# flip: null             # mirror half of the images; null: as the data suggests
# cutout: 0              # side in pixels of a hole in each image
# mixup: 0.0             # alpha of Beta(alpha, alpha)
# cutmix: 0.0            # likewise
# train_images: null     # draw from that many training images; null: from all
# precision: auto        # auto: bfloat16 on a GPU that computes in it, else float32
"""


def write_first_files(folder: Path, preset: str) -> list[Path]:
    """`space.yaml` and `recipe.yaml` in a folder. Raises InputError where one of them is there already."""
    if preset not in presets("spaces"):
        known = nearest(preset, presets("spaces"))
        raise InputError(f"preset must be the name of a preset space, got {preset}; {known}")
    texts = {"space.yaml": commented_space(preset), "recipe.yaml": RECIPE}
    for name in texts:
        if (folder / name).exists():
            raise InputError(f"{name} must not be there yet, got {folder / name}; move it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]


def commented_space(preset: str) -> str:
    """A preset's file, each axis with a word on it."""
    lines = (PRESETS / "spaces" / f"{preset}.yaml").read_text().splitlines()
    width = max(len(line) for line in lines if line.startswith("  "))
    found = [_commented(line, min(width, 60)) for line in lines]
    size = next(i for i, line in enumerate(found) if line.startswith("image_size"))
    found[size] += "  # pixels to a side; pictures of other sizes are resized to it"
    return "\n".join(found) + "\n"


def _commented(line: str, width: int) -> str:
    axis = line.strip().partition(":")[0]
    if not line.startswith("  ") or "#" in line or axis not in AXES:
        return line
    return f"{line:{width}}  # {AXES[axis]}"


def what_it_is(kind: str, name: str) -> str:
    """The first sentence of a preset's file."""
    words: list[str] = []
    for line in (PRESETS / kind / f"{name}.yaml").read_text().splitlines():
        if not line.startswith("#"):
            break
        words += line.lstrip("# ").split()
    text = " ".join(words)
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]
