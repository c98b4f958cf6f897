"""Commands that keep the studies in order: another name, out of the way, away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nas.analysis.baseline import study_beside
from nas.analysis.pareto import scored
from nas.cli.base import app
from nas.cli.options import RUNS, Runs, StudyArg
from nas.records.settings import BASELINE, find_study
from nas.storage.reader import Reader
from space import InputError


@app.command()
def rename(
    study: StudyArg, name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")], runs: Runs = RUNS
) -> None:
    """Give STUDY another name; its search goes on by that. Example: nas rename digits-1M-4M mine"""
    from nas.records.settings import with_extent
    from nas.storage.moving import rename_study
    from nas.storage.reader import Reader

    folder = find_study(study, runs)
    beside = study_beside(folder)
    target = rename_study(folder, name)
    reader = Reader(target)
    command = with_extent(reader.settings, reader.extent())
    if command.startswith("nas compare-spaces "):
        print(f"{folder} is now {target}; nas compare-spaces does not find it by that name")
    else:
        print(f"{folder} is now {target}; its search goes on with: {command}")
    _say_baseline(beside, f"its front stands beside it again after nas rename {{}} {name}{BASELINE}")


@app.command()
def archive(
    study: StudyArg,
    restore: Annotated[bool, typer.Option("--restore", help="Bring an archived one back.")] = False,
    runs: Runs = RUNS,
) -> None:
    """Put STUDY away: out of every list, whole in .archive beside it. Example: nas archive digits-1M-4M"""
    from nas.storage.moving import archive_study, restore_study

    if restore:
        print(f"{study} is back in {restore_study(study, runs)}")
        return
    folder = find_study(study, runs)
    beside = study_beside(folder)
    target = archive_study(folder)
    place = "" if folder.parent == RUNS else f" --runs {folder.parent}"
    print(f"{folder} is now {target}; back: nas archive {target.name} --restore{place}")
    _say_baseline(beside, "nas archive {} puts it away too")


@app.command()
def delete(
    study: StudyArg,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
    runs: Runs = RUNS,
) -> None:
    """Delete STUDY with its trials, weights and exports, for good. Example: nas delete digits-1M-4M"""
    from nas.storage.moving import at_rest, delete_study

    folder = find_study(study, runs)
    beside = study_beside(folder)
    with at_rest(folder):
        trained = len(scored(Reader(folder).trials()))
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"yes must be said where nobody can be asked, got no --yes; nas delete {study} --yes")
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        what = f"{folder}: {trained} trained networks, {len(files):,} files, {size / 1e6:,.1f} MB"
        if not typer.confirm(f"delete {what}, for good?", err=True):
            print("nothing is deleted", file=sys.stderr)
            raise typer.Exit(1)
    delete_study(folder)
    print(f"{folder} is deleted")
    _say_baseline(beside, "nas delete {} deletes it too")


def _say_baseline(beside: Path | None, then: str) -> None:
    """`then`: what can be done, with the baseline's name in place of the braces."""
    if beside:
        name = beside.name
        print(f"note: its baseline {name} is a study of its own, and as it was; {then.format(name)}", file=sys.stderr)
