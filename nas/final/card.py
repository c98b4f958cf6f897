"""The model card of a network that was trained to its end, or whose weights came from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.analysis.chance import chance_words
from nas.analysis.wording import describe, in_words
from nas.data.dataset import Data
from nas.data.hub import hub_id
from nas.export import card_sections
from nas.export.facts import Facts
from nas.export.folder import Written
from nas.export.load import WEIGHTS
from nas.final.batches import CropAndFlip
from nas.final.recipe import FinalRecipe
from nas.final.training import FinalEpoch
from nas.records.scores import binomial_error
from space import Arch, Task, cost


@dataclass(frozen=True, slots=True)
class Score:
    """Top-1 of some weights in float32 on the validation and the test split, 0 to 1."""

    weights: str
    validation: float
    test: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedCard:
    """`scores[0]` is of the weights that are exported: those that are best on the validation split."""

    name: str
    target: str  # what was trained, as the command says it
    before: tuple[Path, Facts] | None  # the export that it is from, where that was tested on the same data
    arch: Arch
    data: Data
    recipe: FinalRecipe
    start: str  # what the first weights were
    command: str
    seed: int
    device: str
    scores: Sequence[Score]
    curve: Sequence[FinalEpoch]
    versions: dict[str, str]

    @property
    def task(self) -> Task:
        return Task(self.data.image_size, self.data.channels, len(self.data.classes))

    def to_json(self) -> dict[str, Any]:
        counts, best = cost(self.arch, self.task), self.scores[0]
        return {
            "key": self.arch.key, "flops": counts.flops, "params": counts.params, "weights": best.weights,
            "validation_accuracy": best.validation, "validation_images": len(self.data.validation.labels),
            "test_accuracy": best.test, "test_images": len(self.data.test.labels), "seeds": 1,
            "all_weights": {s.weights: {"validation": s.validation, "test": s.test} for s in self.scores},
            "seconds": self.curve[-1].seconds, "epochs": len(self.curve),
            "before": self._before_json(),
        }  # fmt: skip

    def _before_json(self) -> dict[str, Any] | None:
        if self.before is None:
            return None
        export, facts = self.before
        return {"export": str(export), "validation_accuracy": facts.validation, "test_accuracy": facts.test}

    def summary(self, out: object) -> str:
        """For the terminal."""
        epochs = f"{len(self.curve)} epoch{'s' * (len(self.curve) > 1)}"
        what = f"{self.target} ({in_words(self.arch)})"
        done = f"trained {what} for {epochs} and exported it to {out}, reloaded and verified"
        counts = cost(self.arch, self.task)
        costs = card_sections.cost_line(counts.flops, counts.params, self.data.image_size)
        lines = [done, *map(self.line, self.scores), self.holds(), self.chance_line(), *self.began()]
        return "\n".join(filter(None, [*lines, costs]))

    def began(self) -> list[str]:
        """What the export had that it began from, and whether that was more accurate."""
        if self.before is None:
            return []
        export, facts = self.before
        worse = self.scores[0].validation < facts.validation
        warning = (
            f"these weights are less accurate in validation than those of {export}: train for longer, or keep those"
        )
        return [facts.words(export), *[warning] * worse]

    def holds(self) -> str:
        """Which weights are exported, where there are two kinds."""
        if len(self.scores) == 1:
            return ""
        return f"{WEIGHTS} holds the {self.scores[0].weights}, chosen on the validation split"

    def line(self, score: Score) -> str:
        """One kind of weights on both splits."""
        name, validation, test = self.data.name, len(self.data.validation.labels), len(self.data.test.labels)
        error = binomial_error(score.test, test)
        return (
            f"{score.weights}: test accuracy {score.test:.2%} (top-1, {name} test split, n = {test:,}, 1 seed, "
            f"standard error {100 * error:.2f} points from n alone), "
            f"validation {score.validation:.2%} (n = {validation:,})"
        )

    def chance_line(self) -> str:
        """That the exported weights' test accuracy is no better than a guess; empty where it is."""
        images = np.bincount(self.data.test.labels, minlength=len(self.data.classes)).tolist()
        words = chance_words(self.scores[0].test, images)
        return words and f"{self.scores[0].weights}: test accuracy {words}; more --epochs or more pictures"

    def markdown(self, written: Written) -> str:
        """The whole card."""
        data, best = self.data, self.scores[0]
        recipe = ", ".join(f"{key} {value}" for key, value in self.recipe.to_dict().items() if value is not None)
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        lines = "\n".join(
            f"- {line}" for line in filter(None, [*map(self.line, self.scores), self.chance_line(), *self.began()])
        )
        header = card_sections.header(
            self.name, data.name, hub_id(data.source, data.look), best.test, len(data.test.labels)
        )
        images = f"{data.name}: {data.image_size} px, {data.channels} channel{'s' * (data.channels > 1)}"
        return f"""{header}
# {self.name}

An image classifier of the ConvNeXt family for {images}, {len(data.classes)} classes. Network: `{describe(self.arch)}`.

## How good

{lines}

{self.holds() and f"{self.holds()}. "}The test split was read once, at the end.

{card_sections.costs_and_loading(self.arch, self.task, written)}

`image` is a PIL image, a file's path or a uint8 array; `preprocess.classes`, or
`CLASSES` of modeling.py, names the logits.

## How it was trained

    {self.command}

From {self.start}, {len(self.curve)} epochs in {self.curve[-1].seconds:,.0f} s on {self.device}, seed {self.seed};
epoch by epoch in `curve.csv`. Peak learning rate {self.recipe.peak_lr:g}, by the linear rule.

{card_sections.data_line(data.source, data.fingerprint)}
{card_sections.data_lines(data.look, *(len(each.labels) for each in (data.train, data.validation, data.test)))}
- augmentation: {CropAndFlip.choose(self.recipe, data)}
- recipe: {recipe}
- versions: {versions}

## Limits

One seed: nothing is known of what another would give. Classifies into the classes of {data.name} and nothing else;
tested on its test split alone, not on other cameras, crops or corruptions. Timings and logit differences are of the
machine that wrote this.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCard:
    """Weights from outside, of which nothing was measured here but that they load."""

    source: str
    naming: str
    arch: Arch
    task: Task
    named: bool  # the file has class names

    def summary(self, out: object) -> str:
        return f"imported {self.source} ({self.naming}) to {out} as {in_words(self.arch)}, reloaded and verified"

    def markdown(self, written: Written) -> str:
        """The whole card."""
        classes = "Class names are the file's" if self.named else "Classes are numbered"
        return f"""{card_sections.header(self.source, "", None, None, None)}
# {self.source}

`{describe(self.arch)}`, {self.task.classes:,} classes, with weights imported from `{self.source}` ({self.naming}).

## How good

Not measured here: `nas train` and the data tell.

{card_sections.costs_and_loading(self.arch, self.task, written)}

## Limits

What the weights were trained on and their normalisation are not in the file. {classes}, and ImageNet's
mean and standard deviation are assumed: set them in `preprocess.json` where they are others.
"""
