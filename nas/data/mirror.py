"""Whether images may be mirrored: a linear probe that reads classes is asked about mirror images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 2_000  # images
CHUNK = 64  # images that are read together
SIDE = 16  # pixels of the images that the probe sees
RIDGE = 30.0
LOSS = 3.0  # standard errors by which mirroring must lower the accuracy


def may_mirror(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[bool, str]:
    """Whether mirrored images still show their class, and what that rests on.

    A ridge regression on small images learns from half of at most 2,000 of them; where it is right about clearly fewer
    mirror images than images of the other half (McNemar's test, 3 standard errors), left and right tell classes apart.
    """
    random = np.random.RandomState(0)
    rows = np.sort(random.permutation(len(images))[:MOST])
    pixels = np.concatenate([_small(np.asarray(images[part])) for part in np.array_split(rows, -(-len(rows) // CHUNK))])
    which = labels[rows]
    seen = random.permutation(len(rows)) < len(rows) // 2
    weights = _ridge(_flat(pixels[seen]), which[seen], int(labels.max()) + 1)
    right, mirrored = (
        (_flat(each) @ weights).argmax(1) == which[~seen] for each in (pixels[~seen], pixels[~seen][:, :, ::-1])
    )
    lost, gained = int((right & ~mirrored).sum()), int((mirrored & ~right).sum())
    differ = lost - gained > LOSS * max(1.0, np.sqrt(lost + gained))
    said = f"a linear probe reads {right.mean():.0%} of images and {mirrored.mean():.0%} of their mirror images"
    return not differ, said


def _small(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, S, S, C) as (N, s, s, C), means over squares of pixels, 0..1."""
    side = max(1, images.shape[1] // SIDE)
    size = images.shape[1] // side
    cut = images[:, : size * side, : size * side].reshape(len(images), size, side, size, side, -1)
    return np.asarray(cut.mean(axis=(2, 4)) / 255, np.float32)


def _flat(images: NDArray[np.float32]) -> NDArray[np.float32]:
    plain = images.reshape(len(images), -1)
    return np.hstack([plain, np.ones((len(plain), 1), np.float32)])


def _ridge(inputs: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    targets = np.eye(classes, dtype=np.float32)[labels]
    return np.asarray(
        np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1], dtype=np.float32), inputs.T @ targets)
    )
