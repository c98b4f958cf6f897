"""The model card of an export: what the network is, how it was found, how good it is, how to load it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nas.analysis.against_front import difference, reference_results
from nas.analysis.chance import chance_words
from nas.analysis.cost_axes import FLOPS, cost_of
from nas.analysis.pareto import by_network, pareto_front, score
from nas.analysis.seed_noise import NetworkResult as Row
from nas.analysis.seed_noise import networks
from nas.analysis.wording import mean_words, signed
from nas.data.hub import hub_id
from nas.export import by_class, card_sections
from nas.export.folder import Written
from nas.export.load import LOADING
from nas.records.reference import Reference
from nas.records.scores import WORDS, ClassCounts, binomial_error
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import compact


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """`validation` and `test`: top-1 of the exported weights in float32, 0 to 1; `test_counts`: the latter by class."""

    trial: Trial
    settings: Settings
    trials: Sequence[Trial]
    validation: float
    test: float
    note: str | None  # how the weights came to be, where not from the search itself
    versions: dict[str, str]
    outside: str | None = None  # that it was measured outside the search's limit on latency
    validation_counts: ClassCounts | None = None  # of the exported weights, as all that is not said to be the trial's
    test_counts: ClassCounts | None = None
    references: Sequence[Reference] = ()  # of the study

    def to_json(self) -> dict[str, Any]:
        """`mean_accuracy` is that of the network: the mean of its seeds, of which the exported weights are one;
        `interval` is of the score that the study maximises."""
        test = self.test_counts
        return {
            **self.trial.to_json(), "study": self.settings.name, "validation_accuracy": self.validation,
            "validation_images": self.settings.data.validation, "mean_accuracy": self.row.trial.accuracy,
            "mean_balanced_accuracy": self.row.trial.balanced, "seeds": self.row.seeds, "interval": self.row.interval,
            "test_accuracy": self.test, "test_images": self.settings.data.test,
            "difference": self.validation - self.test, "test_balanced_accuracy": test and test.balanced,
            "test_class_accuracies": test and test.by_class, "test_class_images": test and test.images,
        }  # fmt: skip

    @cached_property
    def row(self) -> Row:
        """The network with all its seeds."""
        row = networks(self.trials).of(self.trial)
        assert row is not None  # an exported trial is complete
        return row

    def summary(self, out: Path) -> str:
        """For the terminal."""
        several = "" if self.row.probability is None else f"{self.seeds_line()}\n"
        chance = f"{self.chance_line()}\n" if self.chance_line() else ""
        cost = card_sections.cost_line(self.trial.flops or 0, self.trial.params or 0, self.settings.task.image_size)
        return (
            f"exported trial {self.trial.number} of {self.settings.name} to {out}, reloaded and verified\n"
            f"{several}{self.validation_line()}\n{self.test_line()}\n{self.difference_line()}\n"
            f"{chance}{self._by_class_in_the_terminal()}{cost}\n"
            f"load it:\n{textwrap.indent(LOADING.format(folder=out), '    ')}"
        )

    def test_line(self) -> str:
        """The one line that verification compares."""
        data = self.settings.data
        split = f"top-1, {data.name} test split, n = {data.test:,}, 1 seed, untouched by the search"
        return f"test accuracy {self.test:.2%} ({split})"

    def validation_line(self) -> str:
        data = self.settings.data
        return (
            f"validation accuracy of these weights {self.validation:.2%} (top-1, n = {data.validation:,}, 1 seed, the "
            f"split they were selected on; {self.trial.accuracy:.2%} in the search)"
        )

    def difference_line(self) -> str:
        """What selection on the validation split and the two splits' sampling make of it."""
        data = self.settings.data
        error = math.hypot(binomial_error(self.validation, data.validation), binomial_error(self.test, data.test))
        count = len(by_network(self.trials))
        gap = signed(100 * (self.validation - self.test), 2)
        return (
            f"validation - test {gap} points (standard error {100 * error:.2f} from the two n alone); a choice among "
            f"{count:,} networks on one validation split tends to flatter there: quote the test accuracy"
        )

    def chance_line(self) -> str:
        """That the test accuracy is no better than a guess; empty where it is, or where nothing is known by class."""
        words = chance_words(self.test, self.test_counts.images) if self.test_counts else ""
        return words and f"test accuracy {words}; train it for longer (nas train) or give more pictures"

    @property
    def by_split(self) -> dict[str, ClassCounts]:
        """What the exported weights tell right of each class, of the splits where that is known."""
        known = {"validation": self.validation_counts, "test": self.test_counts}
        return {split: counts for split, counts in known.items() if counts}

    def class_lines(self) -> list[str]:
        """Balanced accuracies of the exported weights, where they are known."""
        what = {"validation": "the split they were selected on", "test": "untouched by the search"}
        return [
            f"{split} balanced accuracy {counts.balanced:.2%} (mean of each class's share told right, "
            f"n = {sum(counts.images):,}, 1 seed, {what[split]})"
            for split, counts in self.by_split.items()
        ]

    def _by_class_in_the_terminal(self) -> str:
        """Its lines, each with its end; none where nothing is known by class."""
        if not self.by_split:
            return ""
        lines = [textwrap.fill(line, by_class.WIDTH, subsequent_indent="  ") for line in self.class_lines()]
        return "\n".join([*lines, by_class.terminal_table(self.by_split, self.settings.data.classes), ""])

    def seeds_line(self) -> str:
        """What is known of the network's accuracy over seeds."""
        row = self.row
        if row.probability is None:
            return "one seed per network in this study: nothing is known of what another seed would give"
        seeds = f"validation {WORDS[self.settings.metric]} of this network, {mean_words(score(row.trial), row.seeds)}"
        if row.interval is None:
            return f"{seeds}; the study has too few further seeds for an interval"
        low, high = row.interval
        return (
            f"{seeds} (95% interval over seeds {low:.2%} to {high:.2%}, of this network alone; seed noise pooled over "
            "the study's repeated networks)"
        )

    def reference_lines(self) -> list[str]:
        """The network beside each of the study's references, in their validation accuracies."""
        found = networks(self.trials)
        results = reference_results(self.references, found, self.settings.band)
        apart = [difference(self.row, result, found, len(results)) for result in results]
        return [
            f"beside {each.result.reference.name} ({mean_words(each.result.score or 0, each.result.seeds)}, "
            f"{compact(each.result.reference.flops)} FLOPs, trained by the same recipe): this network has {each.words}"
            for each in apart
            if each
        ]

    def markdown(self, written: Written) -> str:
        """The whole card, of a folder in which front.svg lies."""
        settings, trial, data = self.settings, self.trial, self.settings.data
        cost = cost_of(settings)
        count, front = len(by_network(self.trials)), pareto_front(self.trials, cost.of)
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        recipe = ", ".join(f"{key} {value}" for key, value in settings.recipe.items() if value is not None)
        remark = "".join(f"- {line}\n" for line in (self.note, self.outside) if line)
        balanced = "".join(
            f"- {line}\n" for line in filter(None, (self.chance_line(), *self.class_lines(), *self.reference_lines()))
        )
        classes = f"### By class\n\n{by_class.card_table(self.by_split, data.classes)}\n\n" if self.by_split else ""
        title, metric = f"{settings.name}, trial {trial.number}", WORDS[settings.metric]
        aim = metric if cost is FLOPS else f"{metric} against {cost.name}"
        images = f"{data.name}: {data.image_size} px, {data.channels} channel{'s' * (data.channels > 1)}"
        on_front = f"{len(front)} are on the front" + ("" if cost is FLOPS else f" of {aim}")
        return f"""{card_sections.header(title, data.name, hub_id(data.source, data.look), self.test, data.test)}
# {title}

An image classifier of the ConvNeXt family for {images}, {len(data.classes)} classes.
Found by a search of the space `{settings.space_name}` for {aim} under a FLOPs budget.

![{metric.capitalize()} against {cost.name} of the networks of the search, with this one marked](front.svg)

## How good

- {self.test_line()}
- {self.seeds_line()}
- {self.validation_line()}
- {self.difference_line()}
- standard error of the test accuracy from n alone: {100 * binomial_error(self.test, data.test):.2f} points
{balanced}{remark}
{classes}{card_sections.costs_and_loading(trial.to_arch(), settings.task, written)}

`image` is a PIL image, a file's path or a uint8 array; `preprocess.classes`, or
`CLASSES` of modeling.py, names the logits. Weights:
`model.safetensors`; the network: `arch.yaml`, key `{trial.key}`; size, normalisation and labels: `preprocess.json`.

## How it was found

    {settings.command}

Sampler {settings.sampler}, seed {settings.seed}, budget {settings.budget}. This is trial {trial.number}; of
{count} trained networks {on_front}. It was trained for {trial.seconds or 0:.1f} s on
{settings.device} with seed {trial.seed}.

{card_sections.data_line(data.source, data.fingerprint)}
{card_sections.data_lines(data.look, data.train, data.validation, data.test)}
- training: {settings.training}; {recipe}
- versions: {versions}

## Limits

Trained briefly, to compare networks: longer training will give better weights of the same network. The best of many on
one validation split looks better there than it is; the test accuracy above is the one to quote. Classifies into the
classes of {data.name} and nothing else; tested on its test split alone, not on other cameras, crops or corruptions.
Timings and logit differences are of the machine that wrote this.
"""
