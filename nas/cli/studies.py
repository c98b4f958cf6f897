"""Commands that look at what was found: lists, the front, the report, the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas.analysis.about import OF_NETWORKS, OF_ROWS, about_study
from nas.analysis.cost_axes import COUNTED
from nas.analysis.studies import Summary, summaries
from nas.analysis.wording import FLOPS_WORDS
from nas.cli.base import app, check_there, print_json, print_table
from nas.cli.columns import parse_columns
from nas.cli.latency_table import print_measured, print_measured_json
from nas.cli.options import RUNS, Columns, Json, Runs, StudyArg, Wide
from nas.latency.front import find_device
from nas.records.settings import find_study
from nas.storage.reader import Reader
from space import InputError


@app.command()
def studies(columns: Columns = None, runs: Runs = RUNS, as_json: Json = False) -> None:
    """List the studies under --runs. Example: nas studies"""
    from nas.cli.study_tables import studies_table

    check_there(runs)
    rows, names = summaries(runs), parse_columns(columns, as_json)
    if as_json:
        print_json({"runs": str(runs), "flops_convention": FLOPS_WORDS}, [_summary_json(row) for row in rows])
    elif rows:
        print_table(studies_table(rows, names))
    else:
        print(f"no studies under {runs}; begin one: nas search digits --data digits --flops 1M..4M --trials 30")


def _summary_json(row: Summary) -> dict[str, Any]:
    """`best`: the score of its best network, the mean of so many `seeds`. What a study is of, where it can be read."""
    about = {} if row.settings is None else about_study(row.settings, OF_NETWORKS)
    return {
        "study": row.name, "state": row.state, "problem": row.problem, "complete": row.complete,
        "stopped": row.stopped, "failed": row.failed, "best": row.best, "seeds": row.seeds,
        "updated": row.updated.isoformat() if row.updated else None,
        **{name: about.get(name) for name in ("space", "data", "task", "budget", "minimize", "score")},
    }  # fmt: skip


@app.command()
def trials(
    study: StudyArg, wide: Wide = False, columns: Columns = None, runs: Runs = RUNS, as_json: Json = False
) -> None:
    """List every trial of STUDY, those that failed or were never trained too. Example: nas trials digits-1M-4M"""
    from nas.cli.study_tables import nothing_yet, trials_table

    reader = Reader(find_study(study, runs))
    rows, names = reader.shown(), parse_columns(columns, as_json)
    if as_json:
        print_json(about_study(reader.settings, OF_ROWS), [trial.to_json() for trial in rows])
    elif not rows:
        print(nothing_yet(reader.settings, rows))
    else:
        print_table(trials_table(rows, reader.settings, wide, names), wide)


@app.command()
def front(
    study: StudyArg,
    by: Annotated[
        str | None,
        typer.Option(help="flops, params, activations, or latency@DEVICE after `nas measure`. [default: as searched]"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Of the latency.")] = 1,
    wide: Wide = False,
    columns: Columns = None,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Show the Pareto front of STUDY, accuracy against what it minimises or --by says, with what is known of its noise,
    beside random search's.

    Example: nas front digits-1M-4M
    """
    folder, names = find_study(study, runs), parse_columns(columns, as_json)
    if by is None or by in COUNTED:
        from nas.cli.front_table import print_front

        print_front(folder, as_json, wide, names, by)
        return
    device = find_device(folder, Reader(folder).trials(), by)
    if as_json:
        print_measured_json(folder, [(device.name, batch)], front_only=True)
        return
    print_measured(folder, device.name, batch, wide, front_only=True, names=names)
    if device.words:
        print(f"latency: {device.words}")


@app.command()
def report(
    study: StudyArg,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; it must not exist. [default: STUDY.html]")
    ] = None,
    runs: Runs = RUNS,
) -> None:
    """Write STUDY as one HTML file with its charts, tables and networks, which needs no server.

    Example: nas report digits-1M-4M --out report.html
    """
    from dashboard.report import write_report

    folder = find_study(study, runs)
    path = out or Path(f"{folder.resolve().name}.html")
    print(f"{path}: {write_report(folder, path):,} bytes, open it in any browser")


@app.command()
def dashboard(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="Opens on it: a name under --runs, or a study's folder.")
    ] = None,
    runs: Runs = RUNS,
    exports: Annotated[
        list[Path] | None,
        typer.Option(help="An export or a folder of them, beside those in exports and the studies' own; may recur."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this machine only (127.0.0.1).")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
) -> None:
    """Watch the studies under --runs in the browser, and what exports get wrong. Example: nas dashboard digits-1M-4M"""
    from dashboard.server import serve

    folder = find_study(study, runs).absolute() if study else None
    if folder and folder.parent != runs.absolute():
        runs = folder.parent
    check_there(runs)
    if missing := [folder for folder in exports or () if not folder.is_dir()]:
        raise InputError(f"exports must be a folder that exists, got {missing[0]}; check the path")
    raise typer.Exit(serve(runs, port, exports or (), open_browser=browser, study=folder.name if folder else None))
