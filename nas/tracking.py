"""Trials as runs of an experiment tracker: TensorBoard, MLflow, Weights & Biases.

Each is a function for `nas.search(..., on_trial=...)`: it writes a trial that has ended as a run, and closes it. Their
packages are extras, imported here alone, by the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from nas.analysis.wording import basis, describe
from nas.process.errors import first_line
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import InputError

Tracker = Literal["tensorboard", "mlflow", "wandb"]


def tracker(name: Tracker, folder: Path) -> Callable[[Trial], None]:
    """For the study in a folder, which may be still to come. Raises InputError where the tracker's package is not
    installed, or the tracker cannot be written to."""
    try:
        import_module(name)
    except ImportError as error:
        raise InputError(
            f"track must have {name}, got none ({first_line(error)}); pip install -e '.[{name}]' in the clone of nas"
        ) from error
    if name == "tensorboard":
        return partial(_to_tensorboard, folder)
    if name == "mlflow":
        return partial(_to_mlflow, folder, _experiment(folder.name))
    _check_login()
    return partial(_to_wandb, folder)


def _params(trial: Trial) -> dict[str, str | int]:
    """The network, its cost, and how it ended; what a trial does not have is left out."""
    arch = trial.to_arch()
    blocks = [stage.block for stage in arch.stages]
    found = {
        "state": trial.state, "reason": trial.reason, "network": describe(arch), "stem": arch.stem.name,
        "block": _each(block.name for block in blocks), "depth": arch.depth,
        "depths": "-".join(str(stage.depth) for stage in arch.stages),
        "widths": "-".join(str(stage.width) for stage in arch.stages),
        **{name: _each(getattr(block, name, None) for block in blocks) for name in ("kernel", "norm", "act")},
        "flops": trial.flops, "params": trial.params, "activations": trial.activations, "seed": trial.seed,
        "repeat_of": trial.repeat_of, "key": trial.key,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _each(values: Iterable[Any]) -> str | None:
    """`convnext`, or where the stages differ `3-5-7`; None where no stage has one."""
    words = [str(value) for value in values if value is not None]
    return "-".join(words if len(set(words)) > 1 else words[:1]) or None


def _curve(trial: Trial) -> Iterator[tuple[str, float, int]]:
    """Name, value and images seen."""
    for period in trial.curve:
        yield "train/loss", period.loss, period.images
        yield "val/accuracy", period.accuracy, period.images
        if period.balanced is not None:
            yield "val/balanced_accuracy", period.balanced, period.images


def _scores(trial: Trial) -> dict[str, float]:
    """The final ones: of a trial that was stopped or failed none but its seconds."""
    found = {"accuracy": trial.accuracy, "balanced_accuracy": trial.balanced, "seconds": trial.seconds}
    return {name: value for name, value in found.items() if value is not None}


def _basis(folder: Path) -> str:
    """What accuracy and FLOPs are."""
    return basis(Settings.read(folder), "1 seed")


def _to_tensorboard(folder: Path, trial: Trial) -> None:
    """Event files in the study's folder."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard" / f"trial-{trial.number}")) as board:
        for row in _curve(trial):
            board.add_scalar(*row)
        board.add_text("basis", _basis(folder))
        board.add_hparams(_params(trial), _scores(trial), run_name=".")  # in the same folder


def _experiment(study: str) -> str:
    """The id of the experiment that is called as the study; made where there is none."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        found = MlflowClient().get_experiment_by_name(study)
        if found and found.lifecycle_stage == "deleted":
            raise InputError(f"track must have an experiment {study} in use, got a deleted one; restore it in MLflow")
        return str(found.experiment_id if found else MlflowClient().create_experiment(study))
    except MlflowException as error:
        raise InputError(f"track must reach MLflow, got {first_line(error)}; correct MLFLOW_TRACKING_URI") from error


def _to_mlflow(folder: Path, experiment: str, trial: Trial) -> None:
    """A run where MLFLOW_TRACKING_URI says, else where MLflow writes by default."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    assert trial.started is not None, "it has ended"
    assert trial.finished is not None
    begun, ended = (int(1000 * moment.timestamp()) for moment in (trial.started, trial.finished))
    rows = [*_curve(trial), *((name, value, trial.images or 0) for name, value in _scores(trial).items())]
    metrics = [Metric(name, value, ended, images) for name, value, images in rows]
    params = [Param(name, str(value)) for name, value in _params(trial).items()]
    client = MlflowClient()
    run = client.create_run(experiment, begun, run_name=f"trial {trial.number}").info.run_id
    client.log_batch(run, metrics, params, [RunTag("mlflow.note.content", _basis(folder))])
    status = {"complete": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}[trial.state]
    client.set_terminated(run, status, ended)


def _check_login() -> None:
    """Weights & Biases would else ask for a key, or refuse, when the first trial has ended."""
    import wandb

    if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False, verify=False):
        raise InputError("track must have a login at wandb, got none; run wandb login, or set WANDB_MODE=offline")


def _to_wandb(folder: Path, trial: Trial) -> None:
    """A run of the project that is called as the study."""
    import wandb

    with wandb.init(
        project=folder.name, name=f"trial {trial.number}", config=_params(trial), notes=_basis(folder),
        settings=wandb.Settings(console="off", silent=True), reinit="create_new",
    ) as run:  # fmt: skip
        for name, value, images in _curve(trial):
            run.log({name: value}, step=images)
        run.summary.update(_scores(trial))
