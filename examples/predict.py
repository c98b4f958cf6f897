"""Loads an exported digits network and reads a few digits: `python examples/predict.py exports/digits`."""

from __future__ import annotations

import sys

import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

import nas


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else "exports/digits"
    model, preprocess = nas.load_export(folder)
    digits = load_digits()
    pictures = (digits.images[:10] * 255 / 16).round().astype("uint8")
    with torch.no_grad():
        answers = model(preprocess(list(pictures))).argmax(1)
    print("read", *(preprocess.classes[i] for i in answers), "from pictures of", *digits.target[:10])


if __name__ == "__main__":
    main()
