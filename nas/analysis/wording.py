"""How the terminal says things: a network, a cost, a trial, each in a line. Needs neither rich nor pydantic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nas.analysis.cost_axes import cost_of
from nas.records.scores import BALANCED, WORDS
from space import Arch, Cost, Stage, Task, compact
from space.parts import Part, options
from space.stems import Patchify

if TYPE_CHECKING:
    from nas.analysis.cost_axes import CostAxis
    from nas.records.scores import ClassCounts, Metric
    from nas.records.settings import Settings
    from nas.records.trial import Trial

FLOPS_WORDS = "conv + linear multiply-accumulates, batch 1"
CONVENTION = f"FLOPs: {FLOPS_WORDS}"
NAMES = {"convnext": "ConvNeXt", "depthwise_first": "depthwise first"}  # of blocks, where not as in a space
MOST = 10  # classes that a line names
LEGEND = (
    "Network: stem (a number: patchify's stride) | per stage the block's initial, depth x width (:output), kernel | "
    "norm, act, expansion | head, if not linear; what else is unusual, by name"
)
SAID = ("kernel", "norm", "act", "expansion")  # of blocks, that every line has
IN_WORDS = "network: kind of blocks, blocks of the stages, channels, kernels, norm"  # what `in_words` has


def mean_words(accuracy: float, seeds: int) -> str:
    """A network's accuracy with what it rests on: `47.71%, mean of 2 seeds`, `98.61%, 1 seed`."""
    return f"{accuracy:.2%}, {'1 seed' if seeds == 1 else f'mean of {seeds} seeds'}"


def tie_words(other: Trial, cost: CostAxis) -> str:
    """Of a member of a front over `cost`: what it ties with, the next cheaper one at the mean of its seeds."""
    return (
        f"these seeds do not tell it from trial {other.number}, which is cheaper: {other.score:.2%}, "
        f"{cost.said(cost.on(other))}"
    )


def signed(value: float, digits: int) -> str:
    """`+0.12`, `-3.40`, and `0.00` without a sign for what rounds to nothing."""
    text = f"{value:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def trial_line(trial: Trial) -> str:
    """`trial 7  96.10%  2.31M FLOPs  120K params  3.2 s  stem 2 | c2x40k5 m3x80k3 | ln gelu e4`; of another seed of a
    network also of which trial's."""
    score = f"{trial.score:7.2%}" if trial.score is not None else f"{trial.state}: {trial.reason}"
    if trial.metric != "accuracy" and trial.accuracy is not None:
        score += f" {WORDS[trial.metric]} (accuracy {trial.accuracy:.2%})"
    cost = f"{compact(trial.flops or 0):>6} FLOPs  {compact(trial.params or 0):>6} params"
    again = "" if trial.repeat_of is None else f"  (trial {trial.repeat_of} with another seed)"
    return f"trial {trial.number:>3}  {score}  {cost}  {trial.seconds or 0:6.1f} s  {describe(trial.to_arch())}{again}"


def describe(arch: Arch) -> str:
    """A network in one line, as LEGEND says; what the blocks do not have is left out."""
    stem, head, stages = arch.stem, arch.head, arch.stages
    own = _unusual(stem, ("stride",) if isinstance(stem, Patchify) else (), getattr(stages[0].block, "norm", None))
    parts = [_with(f"stem {stem.describe()}", own), " ".join(map(_stage, stages))]
    shared = (_values(arch, "norm", ""), _values(arch, "act", ""), _values(arch, "expansion", "e"))
    further = [*_further(arch), *([f"drop_path {arch.drop_path:g}"] if arch.drop_path else [])]
    parts.append(", ".join(filter(None, [" ".join(filter(None, shared)), *further])))
    own = _unusual(head, (), getattr(stages[-1].block, "norm", None))
    if head.name != "linear" or own:
        parts.append(_with(f"head {head.name}", own))
    return " | ".join(filter(None, parts))


def _with(name: str, values: dict[str, Any]) -> str:
    return ", ".join(filter(None, [name, option_words(values)]))


def _unusual(part: Part, said: Collection[str], norm: str | None = None) -> dict[str, Any]:
    """Options that are not the part's defaults, but for those `said`: a norm where it is not the blocks' `norm`, and
    LayerScale where there is one, as the preset spaces have none."""
    usual = {name: field.default for name, field in options(type(part)).items()} | {"layer_scale": None}
    if norm is not None:
        usual["norm"] = norm
    return {name: value for name, value in part.to_dict().items() if name not in said and value != usual[name]}


def _further(arch: Arch) -> list[str]:
    """`fusion sum`, `grn no/yes`: what the line of a network has no letters for, where a stage's is not the default."""
    blocks = [stage.block.to_dict() for stage in arch.stages]
    names = dict.fromkeys(name for stage in arch.stages for name in _unusual(stage.block, SAID))
    found = {name: [block.get(name, "-") for block in blocks] for name in names}
    between = [stage.downsample for stage in arch.stages[1:]]
    if "strided" in between:
        found["downsample"] = between
    return [
        option_words({name: each[0]}) if len(set(map(repr, each))) == 1 else f"{name} {'/'.join(map(_short, each))}"
        for name, each in found.items()
    ]


def _short(value: Any) -> str:
    words = {None: "none", True: "yes", False: "no"}
    is_word = value is None or isinstance(value, bool)
    return words[value] if is_word else f"{value:g}" if isinstance(value, float) else str(value)


def in_words(arch: Arch) -> str:
    """A network in the few words that a table has room for: `ConvNeXt 2-2-6-2, 16-128 ch, k7, bn`; `mixed` where its
    stages have blocks of several kinds."""
    kinds = {stage.block.name for stage in arch.stages}
    kind = NAMES.get(next(iter(kinds)), next(iter(kinds))) if len(kinds) == 1 else "mixed"
    depths = "-".join(str(stage.depth) for stage in arch.stages)
    channels = f"{_range([stage.out for stage in arch.stages])} ch"
    kernels = [kernel for stage in arch.stages if (kernel := getattr(stage.block, "kernel", None)) is not None]
    return ", ".join(filter(None, [f"{kind} {depths}", channels, _range(kernels, "k"), _values(arch, "norm", "")]))


def _range(values: Sequence[int], prefix: str = "") -> str:
    """`k3-7`, `k7`, or nothing of nothing."""
    low, high = min(values, default=0), max(values, default=0)
    return "" if not values else f"{prefix}{low}" if low == high else f"{prefix}{low}-{high}"


def _stage(stage: Stage) -> str:
    """`c3x96k7`; `b3x64:256k3` for a bottleneck, which gives more channels than its width."""
    out = f":{stage.out}" if stage.out != stage.width else ""
    kernel = getattr(stage.block, "kernel", None)
    return f"{stage.block.name[0]}{stage.depth}x{stage.width}{out}{'' if kernel is None else f'k{kernel}'}"


def _values(arch: Arch, option: str, prefix: str) -> str:
    """An option of the blocks: once if all stages agree, else one per stage; a dash where a block has none."""
    found = [getattr(stage.block, option, None) for stage in arch.stages]
    if all(value is None for value in found):
        return ""
    words = ["-" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in found]
    return prefix + "/".join(words if len(set(words)) > 1 else words[:1])


def option_words(values: dict[str, Any]) -> str:
    """`stride 4, norm ln, no act, bias` for `{stride: 4, norm: ln, act: null, bias: true}`."""
    return ", ".join(map(_option, values.items()))


def _option(item: tuple[str, Any]) -> str:
    name, value = item
    if value is None or value is False:
        return f"no {name}"
    if value is True:
        return name
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def network_lines(arch: Arch) -> list[str]:
    """What the table of a network has no column for: the options of its stem, blocks and head, drop path and key."""
    lines = [f"stem: {_part(arch.stem)}"]
    stages: dict[str, list[int]] = {}
    for number, stage in enumerate(arch.stages, 1):
        options = {name: value for name, value in stage.block.to_dict().items() if name != "kernel"}
        stages.setdefault(f"{stage.block.name}, {option_words(options)}", []).append(number)
    lines += [f"{_span(numbers)}: {words}" for words, numbers in stages.items()]
    if between := {stage.downsample for stage in arch.stages[1:]}:
        each = [stage.downsample for stage in arch.stages[1:]]
        lines.append(f"downsampling: {', '.join(each if len(between) > 1 else each[:1])}")
    return [*lines, f"head: {_part(arch.head)}", f"drop path: {arch.drop_path:g}", f"key: {arch.key}"]


def part_words(arch: Arch) -> list[str]:
    """Stem, stages and head, each in words."""
    return [_part(arch.stem), *(stage.describe() for stage in arch.stages), _part(arch.head)]


def _part(part: Any) -> str:
    """`patchify, stride 4, norm ln, no act, bias`."""
    return ", ".join(filter(None, [part.name, option_words(part.to_dict())]))


def _span(numbers: list[int]) -> str:
    """`stage 1`, `stages 1 to 4`, `stages 1, 3`."""
    if len(numbers) == 1:
        return f"stage {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"stages {numbers[0]} to {numbers[-1]}"
    return f"stages {', '.join(map(str, numbers))}"


def shares(values: Iterable[int]) -> list[float]:
    """Each value in percent of their sum."""
    found = list(values)
    total = sum(found) or 1
    return [100 * value / total for value in found]


def caption(settings: Settings, seeds: str = "1 seed per network") -> str:
    """What the numbers of a study's tables are."""
    return f"{basis(settings, seeds)} {LEGEND}."


def basis(settings: Settings, seeds: str) -> str:
    """What accuracies and FLOPs of a study are."""
    data = settings.data
    return (
        f"{metric_words(settings.metric)} on {data.name}'s validation split, n = {data.validation:,}, {seeds}, "
        f"{settings.training}. {CONVENTION}."
    )


def ends_words(settings: Settings) -> str:
    """What hypervolume goes over: `log FLOPs across the budget`, `log parameters across the range of the space`."""
    across = "budget" if settings.minimised_band else "range of the space"
    return f"log {cost_of(settings).name} across the {across}"


def metric_words(metric: Metric) -> str:
    """`accuracy: top-1`, or what the study's other metric is."""
    return "accuracy: top-1" if metric == "accuracy" else BALANCED


def class_words(counts: ClassCounts, classes: Sequence[str]) -> str:
    """`a: 92.00% (n = 90), b: 40.00% (n = 10)`: the share of each class's images told right; the worst MOST of more."""
    shares = [
        (share, name, images)
        for share, name, images in zip(counts.by_class, classes, counts.images, strict=True)
        if share is not None
    ]
    shown = shares if len(shares) <= MOST else sorted(shares)[:MOST]
    each = ", ".join(f"{name}: {share:.2%} (n = {images:,})" for share, name, images in shown)
    return each if len(shares) <= MOST else f"the worst {MOST} of {len(shares):,} classes: {each}"


def task_words(task: Task) -> str:
    """`8 px, 1 channel, 10 classes`."""
    channels, classes = f"{task.channels:,} channel{'s' * (task.channels > 1)}", f"{task.classes:,} class"
    return f"{task.image_size} px, {channels}, {classes}{'es' * (task.classes > 1)}"


def cost_record(cost: Cost, key: str, task: Task) -> dict[str, Any]:
    """One network's cost for JSON, and its task."""
    return {**asdict(cost), "key": key, **asdict(task)}


def cost_line(cost: Cost, key: str, task: Task) -> str:
    """One network's cost in full."""
    return (
        f"flops {cost.flops:,} ({compact(cost.flops)}; conv + linear multiply-accumulates, batch 1, "
        f"{task_words(task)})\n"
        f"params {cost.params:,} ({compact(cost.params)})\n"
        f"activations {cost.activations:,} ({compact(cost.activations)}; outputs of conv and linear, batch 1)\n"
        f"key {key}"
    )


def duration(seconds: float) -> str:
    """`4.5 s`, `45 s`, `12 min`, `3 h 20 min`, `2 days`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds // 86_400:.0f} days"
