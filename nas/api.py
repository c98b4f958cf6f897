"""The Python API behind `import nas`: cost, search and studies. The command line calls the same functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nas.analysis.baseline import baseline_of
from nas.arguments import checked
from nas.export.pick import Pick, Selection, pick_with_words
from nas.export.pick import pick as choose
from nas.records.data_card import Reading
from nas.records.settings import find_study
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import Arch, Budget, Cost, InputError, Space, Task
from space.budget import parse_count
from space.cost import cost as count

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    from nas.analysis.step_effects import StepAnswers
    from nas.data.given import Given
    from nas.latency.device_names import Runtime
    from nas.records.scores import Metric
    from nas.records.settings import Minimize, Sampler, Settings, Stop
    from nas.searching.listener import OnTrial

RUNS = Path("runs")


@checked
def cost(
    arch: Arch | str | Path, *, image_size: int = 224, classes: int = 1000, channels: int = 3, check: bool = False
) -> Cost:  # fmt: skip
    """FLOPs (conv + linear multiply-accumulates, batch 1), parameters and activations of a network, by arithmetic.

    `arch`: an Arch, or what `Arch.load` takes: a YAML file, or the name of a preset such as "convnext_tiny".
    `check=True` also builds it and counts it with fvcore; both must be equal as integers.
    """
    task, arch = Task(image_size, channels, classes), arch if isinstance(arch, Arch) else Arch.load(arch)
    if check:
        from space.fvcore_count import check_with_fvcore

        return check_with_fvcore(arch, task)
    return count(arch, task)


@checked
def search(
    space: Space | str | Path,
    *,
    data: str | Path | Given,
    flops: str | None = None,
    params: str | None = None,
    activations: str | None = None,
    latency: str | None = None,
    batch: int | None = None,
    runtime: Runtime | None = None,
    device_model: str | Path | None = None,
    trials: int | None = None,
    time: str | None = None,
    images: str | int | None = None,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    study: str | None = None,
    runs: str | Path = RUNS,
    seed: int = 0,
    sampler: Sampler = "ehvi",
    metric: Metric = "accuracy",
    minimize: Minimize = "flops",
    stop: Stop | None = None,
    accuracy: str | float | None = None,
    repeats: int | None = None,
    baseline: bool = False,
    workers: int | None = None,
    device: str = "auto",
    image_size: int | None = None,
    storage: str | None = None,
    artifacts: str | None = None,
    train: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_broken: bool = False,
    on_trial: OnTrial | None = None,
) -> Study:
    """Searches a space for accurate networks inside a FLOPs budget such as "1M..4M", up to `trials` trained networks in
    all; the same call again goes on. `params`, `activations` ("..500K") and `latency` ("..5ms", forecast for a `batch`)
    are limits that hold, too; `minimize` says which of these costs the front is over. Options as those of `nas search`,
    which explains them. `accuracy` ("92%" or .92) is to be reached at the least cost and ends the search before.

    `data`: a name or folder as there; or (images, labels), uint8 arrays (N, H, W[, C]), PIL images or files and
    integers or words; or a torch data set of such pairs, or a Hugging Face one; or a mapping of train, validation and
    test to those. They are kept as PNG in the cache, where workers and later calls find them.

    `on_trial(trial)` is called in this process, once for each trial of the study that ends (complete, stopped, failed)
    while it runs, whoever trains it, in order of numbers where several ended; `trial.curve` has its periods. Not for
    those that ended before, nor those of the baseline. An error in it is a note, and the search goes on.

    Progress goes to stderr, in a notebook below the cell. Ctrl-C ends it after the next evaluation, raises
    KeyboardInterrupt and leaves a study that the same call goes on with. Raises InputError, one line, for what a person
    can mend.
    """
    from rich.console import Console

    from nas.data.given import kept
    from nas.latency.device_names import parse_latency_at
    from nas.searching.launch import run_search
    from nas.searching.plan import SearchPlan, as_command, parse_images

    reading = Reading(
        train=train, validation=validation, test=test, image_column=image_column, label_column=label_column,
        skip_broken=skip_broken,
    ).absolute()  # fmt: skip
    source = str(data)
    if not isinstance(data, str | Path):
        source = str(kept(data, reading))
        reading = replace(reading, image_column=None, label_column=None)  # which it has no longer
    chosen = space if isinstance(space, Space) else Space.load(space)
    forecast, at = parse_latency_at(latency)
    plan = SearchPlan(
        trials=trials, time=time, accuracy=_text(accuracy),
        repeats=repeats, baseline=baseline, workers=workers,
        recipe_file=None if recipe is None else Path(recipe),
        images=parse_images(images), epochs=epochs, name=study,
        runs=Path(runs), seed=seed, sampler=sampler, metric=metric, minimize=minimize, stop=stop, device=device,
        image_size=image_size, storage=storage, artifacts=artifacts, batch=batch, runtime=runtime,
        latency_device=at,
        device_model=None if device_model is None else Path(device_model), reading=reading,
    )  # fmt: skip
    budget = Budget.parse(flops, params, activations, forecast)
    limits = {"--flops": flops, "--params": params, "--activations": activations, "--latency": latency}
    # the space by its name alone: the line does not repeat a search of a narrowed space, or of a file of another name
    begin = ["search", chosen.name, "--data", source, *(w for o, text in limits.items() if text for w in (o, text))]
    plan = replace(plan, command=as_command(begin, plan))
    folder, finished = run_search(chosen, source, budget, plan, Console(stderr=True, emoji=False), on_trial)
    if not finished:
        raise KeyboardInterrupt
    return Study(folder)


@checked
def reference(
    study: str | Path,
    *networks: str,
    scale: bool = False,
    flops: str | None = None,
    seeds: int = 1,
    data: str | Path | None = None,
    device: str = "auto",
    runs: str | Path = RUNS,
) -> Study:
    """Trains networks that a study did not draw as its own were, and keeps them in its folder: `Study.references`.

    `networks`: YAML files, presets, exports, "timm:NAME", "module:function". Options as those of `nas reference`, which
    explains them; the same call goes on where it was. Raises InputError where one of them is refused, once the others
    are trained.
    """
    from rich.console import Console

    from nas.references.training import ReferencePlan, train_references

    folder = find_study(str(study), Path(runs))
    plan = ReferencePlan(
        networks=networks, scale=scale, target=None if flops is None else parse_count(flops, "flops", "4M"),
        seeds=seeds, data=None if data is None else str(data), device=device,
    )  # fmt: skip
    _, refused = train_references(folder, plan, Console(stderr=True, emoji=False))
    if refused:
        raise InputError("; ".join(refused))
    return Study(folder)


@checked
def steps(
    first: str | Path,
    last: str | Path,
    *,
    data: str | Path,
    flops: str,
    design: Literal["full", "fraction", "paths"] = "full",
    orders: Sequence[str] = (),
    named: str | Path | None = None,
    equal: bool = True,
    seeds: int | None = None,
    repeats: int | None = None,
    images: str | int | None = None,
    recipe: str | Path | None = None,
    study: str | None = None,
    runs: str | Path = RUNS,
    seed: int = 0,
    workers: int | None = None,
    device: str = "auto",
    image_size: int = 32,
    train: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_broken: bool = False,
) -> Study:
    """Trains the networks between two, so that each step's effect can be told; the same call again goes on.

    The arguments are those of `nas steps`: `orders` as "a, b, c", `named` a YAML file of steps or "roadmap",
    `equal=False` is its --unequal. Raises InputError as it does.
    """
    from rich.console import Console

    from nas.searching.launch import run_search
    from nas.searching.plan import SearchPlan, parse_images
    from nas.searching.stepping import plan_steps, steps_command, steps_name

    console = Console(stderr=True, emoji=False)
    reading = Reading(
        train=train, validation=validation, test=test, image_column=image_column, label_column=label_column,
        skip_broken=skip_broken,
    ).absolute()  # fmt: skip
    between, band, further = plan_steps(
        str(first), str(last), data=str(data), flops=flops, design=design, orders=list(orders), named=named,
        equal=equal, seeds=seeds, repeats=repeats, image_size=image_size, reading=reading, console=console,
    )  # fmt: skip
    plan = SearchPlan(
        trials=len(between.rows), repeats=further, workers=workers, images=parse_images(images),
        image_size=image_size, runs=Path(runs),
        recipe_file=None if recipe is None else Path(recipe), seed=seed, stop="none", device=device, reading=reading,
        name=study or steps_name(str(first), str(last), str(data), flops, design, equal),
    )  # fmt: skip
    own = {"design": design, "order": list(orders), "steps": named, "unequal": not equal}
    counts = {"seeds": seeds, "repeats": repeats}
    plan = replace(plan, command=steps_command(first, last, data, flops, plan, **own, **counts))
    folder, finished = run_search(between, str(data), Budget(flops=band), plan, console)
    if not finished:
        raise KeyboardInterrupt
    return Study(folder)


class Study:
    """A study's folder: its trials, front and networks, read anew at each call, also while it runs."""

    def __init__(self, folder: str | Path, *, runs: str | Path = RUNS) -> None:
        """`folder`: of the study, or its name under `runs`. Raises InputError where there is none."""
        self.folder = find_study(str(folder), Path(runs))
        self._reader = Reader(self.folder)

    def __repr__(self) -> str:
        trained = sum(trial.score is not None for trial in self._reader.trials())
        return f"Study({str(self.folder)!r}): {trained} trials with an accuracy, {self.settings.band} FLOPs"

    @property
    def settings(self) -> Settings:
        """What the study was begun with: space, budget, recipe, data."""
        return self._reader.settings

    def trials(self) -> pd.DataFrame:
        """A row per trial, by its number; see `nas.analysis.data_frames.trials_data` for the columns."""
        from nas.analysis.data_frames import trials_data

        return trials_data(self._reader.shown())

    @checked
    def front(self, *, by: str | None = None, batch: int = 1) -> pd.DataFrame:
        """A row per network of the Pareto front, by rising FLOPs or what else the study minimises or `by` says, at the
        mean of its seeds; see `nas.analysis.data_frames.front_data` for the columns.

        `by`: "flops", "params", "activations", or "latency@DEVICE" of a `batch` after `nas measure`. Raises InputError
        for another."""
        from nas.analysis.data_frames import front_data
        from nas.latency.front import axis

        trials = self._reader.trials()
        return front_data(trials, self._baseline(), axis(self.folder, trials, by, batch))

    def steps(self) -> pd.DataFrame:
        """A row per step of a study of `nas.steps`; see `nas.analysis.step_frames.steps_data` for the columns."""
        from nas.analysis.step_frames import steps_data

        return steps_data(self._answers())

    def step_pairs(self) -> pd.DataFrame:
        """A row per pair of steps, the largest change first; see `nas.analysis.step_frames.step_pairs_data`."""
        from nas.analysis.step_frames import step_pairs_data

        return step_pairs_data(self._answers())

    def step_networks(self) -> pd.DataFrame:
        """A row per trained set of steps: a column per step, then accuracy, seeds, FLOPs and trial."""
        from nas.analysis.step_frames import step_networks_data

        return step_networks_data(self._answers())

    def plot_steps(self) -> go.Figure:
        """The order that was asked for through the cloud of all networks, or all given orders: a plotly figure."""
        from dashboard.charts.steps import paths_caption, paths_figure, walk_caption, walk_figure
        from dashboard.charts.style import plotly_figure
        from nas.analysis.wording import basis

        answers = self._answers()
        rests_on = basis(self.settings, "the mean of each network's seeds")
        if answers.steps.design.kind == "paths":
            return plotly_figure(paths_figure(answers), self.settings.name, paths_caption(answers), rests_on)
        answers.require()
        order = answers.steps.design.orders[0]
        caption = walk_caption(answers, "as it was asked for", order)
        return plotly_figure(walk_figure(answers, order), self.settings.name, caption, rests_on)

    def _answers(self) -> StepAnswers:
        from nas.analysis.step_effects import answers_of

        return answers_of(self.settings, self._reader.trials())

    def references(self) -> pd.DataFrame:
        """A row per reference network that `reference` or `nas reference` trained, by rising FLOPs; see
        `nas.analysis.data_frames.references_data` for the columns."""
        from nas.analysis.data_frames import references_data

        return references_data(self.folder, self._reader.trials(), self.settings.band)

    @checked
    def plot(self, *, by: str | None = None, batch: int = 1) -> go.Figure:
        """Accuracy over what the study minimises, or `by` says as in `front`, with that front, its knee and its
        probabilities: a plotly figure to show, change or save."""
        from dashboard.charts.front import below, front_figure
        from dashboard.charts.front_caption import below_words, front_caption, measure_caption
        from dashboard.charts.references import stars_sentence
        from dashboard.charts.style import plotly_figure
        from nas.analysis.against_front import reference_results
        from nas.analysis.cost_axes import FLOPS, cost_of
        from nas.analysis.seed_noise import networks
        from nas.analysis.wording import basis
        from nas.latency.front import axis
        from nas.records.reference import read_references

        trials, beside = self._reader.shown(), self._baseline()
        running, cost = [trial for trial in trials if trial.state == "running"], axis(self.folder, trials, by, batch)
        found, own = networks(trials, cost=cost), by is None or cost is cost_of(self.settings)
        known = read_references(self.folder) if cost is FLOPS else ()
        marked = reference_results(known, found, self.settings.band)
        figure = front_figure(
            trials, self.settings.minimised_band if own else None, x=cost, running=running, found=found, beside=beside,
            references=marked,
        )  # fmt: skip
        points = [row.trial for row in found.rows.values()]
        low = below_words(len(points), below(points, figure["layout"]["yaxis"].get("range")))
        front = [row.trial for row in found.front]
        said = measure_caption(cost, front, beside, found) if front and not own else front_caption(trials, front, found)
        said = " ".join(filter(None, [said, stars_sentence(marked, found), low]))
        rests_on = basis(self.settings, "the mean of each network's seeds")
        return plotly_figure(figure, self.settings.name, said, rests_on)

    @checked
    def arch(self, trial: int) -> Arch:
        """The network of a trial. Raises InputError where it has none."""
        return choose(self.folder, Selection(trial=trial)).to_arch()

    @checked
    def export(
        self,
        out: str | Path,
        *,
        pick: Pick | None = None,
        trial: int | None = None,
        flops: str | None = None,
        params: str | None = None,
        activations: str | None = None,
        latency: str | None = None,
        accuracy: str | float | None = None,
        by: str | None = None,
        batch: int = 1,
        formats: str | None = None,
        data: str | Path | None = None,
        device: str = "auto",
        force: bool = False,
    ) -> Path:
        """Writes a network with its weights, card and files, tests it on the untouched test split and verifies it.

        The network: the `trial`; or, of the front over `by` (None: what the study minimises) of what is within all
        limits, the best, the cheapest where `accuracy` ("92%") is one of them, or the `pick`. `flops`, `params`,
        `activations`: bands as of a search, "..2M" or "1M..2M"; `latency`: "..5ms" of a `batch`, as measured.
        `formats`: "onnx,pt2". `data`: where the study's data is now. Raises InputError as `nas export` does.
        """
        from rich.console import Console

        from nas.export.formats import parse_formats
        from nas.export.write import export_trial

        selection = Selection(
            trial=trial, pick=pick, flops=flops, params=params, activations=activations, latency=latency,
            accuracy=_text(accuracy), by=by, batch=batch,
        )  # fmt: skip
        (chosen, said), console = pick_with_words(self.folder, selection), Console(stderr=True, emoji=False)
        export_trial(
            self._reader, chosen, Path(out), data_source=None if data is None else str(data), device=device,
            console=console, formats=parse_formats(formats, False), force=force,
        )  # fmt: skip
        for line in said:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return Path(out)

    def _baseline(self) -> list[Trial]:
        """Trials of the random search beside it."""
        beside = baseline_of(self.folder)
        return Reader(beside).trials() if beside else []


def _text(value: str | float | None) -> str | None:
    """As the command line has it."""
    return None if value is None else str(value)
