"""Augmentation: each sample its own, of the images themselves, and by the definitions of the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.training.augmentation import Augmentation, RandomDraws, neighbours

SIZE = 8
FIRST = torch.tensor([0])  # step


def pictures(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8))


def draw(augmentation: Augmentation, batch: int, steps: int = 1) -> RandomDraws:
    return augmentation.draw(steps, batch, torch.Generator().manual_seed(0))


def test_crops_and_mirrors_are_of_the_image_itself() -> None:
    augmentation = Augmentation(SIZE, crop=2, flip=True)
    images = pictures(60)
    rows = torch.randperm(60)[:40]
    batch = augmentation.crop_and_mirror(images[rows], draw(augmentation, 40).at(FIRST)).numpy()
    padded = np.pad(images.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")[rows]
    found = set()
    for image, source in zip(batch, padded, strict=True):
        ways = {
            (y, x, mirror)
            for y in range(5)
            for x in range(5)
            for mirror in (False, True)
            if np.array_equal(source[y : y + SIZE, x : x + SIZE][:, :: -1 if mirror else 1], image)
        }
        assert ways, "not a crop of its image"
        found |= ways
    assert len({(y, x) for y, x, _ in found}) > 10
    assert {mirror for *_, mirror in found} == {True, False}


def test_nothing_asked_for_changes_nothing() -> None:
    augmentation = Augmentation(SIZE)
    images, rows = pictures(5), torch.tensor([3, 1])
    draws = draw(augmentation, 2).at(FIRST)
    assert torch.equal(augmentation.crop_and_mirror(images[rows], draws), images[rows])
    floats = torch.randn(2, SIZE, SIZE, 3)
    assert torch.equal(augmentation.cut_and_mix(floats, draws), floats)


def test_cutout_is_a_square_of_the_mean_around_its_centre_cut_off_at_the_border() -> None:
    augmentation = Augmentation(SIZE, cutout=3)
    images = 1 + torch.rand(50, SIZE, SIZE, 3)
    draws = draw(augmentation, 50).at(FIRST)
    assert draws.hole is not None
    got = augmentation.cut_and_mix(images, draws)
    for image, before, (y, x) in zip(got, images, draws.hole.tolist(), strict=True):
        expected = before.clone()
        expected[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = 0
        assert torch.equal(image, expected)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_a_mix_is_of_a_sample_and_its_neighbour_in_the_share_of_its_labels(mixup: float, cutmix: float) -> None:
    augmentation = Augmentation(SIZE, mixup=mixup, cutmix=cutmix)
    count = 400
    marks = torch.arange(1.0, count + 1).view(-1, 1, 1, 1).expand(count, SIZE, SIZE, 3)
    draws = draw(augmentation, count).at(FIRST)
    assert draws.share is not None
    got = augmentation.cut_and_mix(marks, draws)
    own, other = marks[:, 0, 0, 0], neighbours(marks)[:, 0, 0, 0]
    share = ((got - other.view(-1, 1, 1, 1)) / (own - other).view(-1, 1, 1, 1)).mean((1, 2, 3))
    torch.testing.assert_close(share, draws.share, atol=1e-4, rtol=0)
    flat = (got.amax((1, 2, 3)) - got.amin((1, 2, 3))) < 1e-3
    boxed = (~flat).float().mean().item()  # a whole or an empty box looks flat too
    assert boxed == 0 if not cutmix else boxed > 0.85 if not mixup else 0.3 < boxed < 0.6
    inside = (got == own.view(-1, 1, 1, 1)) | (got == other.view(-1, 1, 1, 1))
    assert inside[~flat].all(), "a box is cut, never blended"
    mean = draws.share.mean().item()  # boxes are cut off at the border, which leaves a sample more of itself
    assert 0.45 < mean < 0.55 if not cutmix else 0.5 < mean < 0.75


def test_every_step_and_every_seed_draws_its_own() -> None:
    augmentation = Augmentation(SIZE, crop=3, flip=True, cutout=2, mixup=1.0, cutmix=1.0)
    draws = draw(augmentation, 16, steps=3)
    for part in draws:
        assert part is not None
        assert part.shape[:2] == (3, 16)
        assert not torch.equal(part[0], part[1])
    again = draw(augmentation, 16, steps=3)
    other = augmentation.draw(3, 16, torch.Generator().manual_seed(1))
    for a, b, c in zip(draws, again, other, strict=True):
        assert a is not None
        assert b is not None
        assert c is not None
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
