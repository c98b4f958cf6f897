"""The Python API behind `nas.compare_spaces`: the command line calls the same functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.analysis.space_studies import StudyTrials, compare_studies, is_narrowing, seeds_words
from nas.arguments import checked
from nas.records.data_card import Reading
from nas.records.settings import find_study
from nas.storage.reader import Reader
from space import Band, InputError, Space

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    from nas.analysis.space_comparison import SpaceComparison
    from nas.records.scores import Metric

RUNS = Path("runs")


@checked
def compare_spaces(
    space: Space | str | Path,
    other: Space | str | Path,
    *,
    data: str | Path,
    flops: str,
    networks: int = 100,
    images: str | int | None = None,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    study: str | None = None,
    runs: str | Path = RUNS,
    seed: int = 0,
    metric: Metric = "accuracy",
    workers: int | None = None,
    device: str = "auto",
    image_size: int | None = None,
    train: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_broken: bool = False,
) -> ComparedSpaces:
    """Trains random networks of two spaces alike in a FLOPs band such as "8M..10M", so many of each, and compares them
    at equal FLOPs; the same call again goes on. Options as those of `nas compare-spaces`, which explains them. The
    studies keep the call as such a command; a Space object stands in it by its name.

    Progress goes to stderr. Ctrl-C raises KeyboardInterrupt and leaves studies that the same call goes on with. Raises
    InputError, one line, for what a person can mend.
    """
    from rich.console import Console

    from nas.searching.comparing import run_comparison
    from nas.searching.plan import OPTIONS, SearchPlan, as_command, parse_images

    one, two = (each if isinstance(each, Space) else Space.load(each) for each in (space, other))
    plan = SearchPlan(
        trials=networks, workers=workers, recipe_file=None if recipe is None else Path(recipe), epochs=epochs,
        images=parse_images(images), name=study, runs=Path(runs),
        seed=seed, metric=metric, device=device, image_size=image_size,
        reading=Reading(
            train=train, validation=validation, test=test, image_column=image_column, label_column=label_column,
            skip_broken=skip_broken,
        ).absolute(),
    )  # fmt: skip
    named = [each.name if isinstance(each, Space) else str(each) for each in (space, other)]
    begin = ["compare-spaces", *named, "--data", str(data), "--flops", flops]
    plan = replace(plan, command=as_command(begin, plan, OPTIONS | {"trials": "networks"}))
    folders, finished = run_comparison(one, two, str(data), Band.parse(flops), plan, Console(stderr=True, emoji=False))
    if not finished:
        raise KeyboardInterrupt
    return ComparedSpaces(*folders)


class ComparedSpaces:
    """Two studies of random networks, read anew at each call, also while they run."""

    def __init__(self, one: str | Path, other: str | Path, *, runs: str | Path = RUNS) -> None:
        """Folders of the studies, or their names under `runs`. Raises InputError where there is none."""
        self.folders = tuple(find_study(str(each), Path(runs)) for each in (one, other))
        self._readers = tuple(map(Reader, self.folders))

    def __repr__(self) -> str:
        try:
            return f"ComparedSpaces: {self.verdict()}"
        except InputError as error:
            return f"ComparedSpaces: {error}"

    def result(self) -> SpaceComparison:
        """Distances, p, shares and the expected best of n; `one.failed` and `other.failed`: how many networks failed to
        train, below all others in all of it. Raises InputError for too few networks."""
        return compare_studies(*self._studies())

    def _studies(self) -> tuple[StudyTrials, StudyTrials]:
        one, other = ((reader.trials(), reader.settings) for reader in self._readers)
        return one, other

    def verdict(self) -> str:
        """Which is better, in a sentence; what failed to train; of a narrowed space also whether that is accepted."""
        found = self.result()
        spaces = (reader.settings.build_space() for reader in self._readers)
        return f"{found.verdict()} {found.ruling()}" if is_narrowing(*spaces) else found.verdict()

    def frame(self) -> pd.DataFrame:
        """A row per network, by space and rising accuracy: accuracy (validation top-1, or what else was maximised, 0 to
        1, the mean of its seeds; missing where it failed to train), share (of the networks of its space with at most
        that, weighted to equal FLOPs)."""
        import numpy as np
        import pandas as pd

        found = self.result()
        return pd.concat(
            pd.DataFrame(
                {
                    "space": side.name,
                    "accuracy": np.where(np.isfinite(side.edf.accuracy), side.edf.accuracy, np.nan),
                    "share": side.edf.share,
                }
            )
            for side in (found.one, found.other)
        ).reset_index(drop=True)

    def plot(self) -> go.Figure:
        """Both distributions of accuracy at equal FLOPs: a plotly figure to show, change or save."""
        from dashboard.charts.compare import edf_figure
        from dashboard.charts.front import score_label
        from dashboard.charts.spaces import shares_caption
        from dashboard.charts.style import plotly_figure
        from nas.analysis.wording import basis

        found, settings = self.result(), self._readers[0].settings
        figure = edf_figure([found.one.edf, found.other.edf], score_label(self._readers[0].trials()[:1]))
        title = f"{found.one.name} and {found.other.name}"
        rests_on = basis(settings, seeds_words(*self._studies()))
        return plotly_figure(figure, title, self.verdict(), shares_caption(found), rests_on)
