"""The command that looks at data before anything is trained on it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.base import app, print_lines, progress
from nas.cli.options import ImageColumn, Json, LabelColumn, SkipBroken, TestSplit, TrainSplit, ValidationSplit
from nas.records.data_card import Reading

DataArg = Annotated[str, typer.Argument(metavar="DATA", help="A folder, a hub name, digits, cifar10, ...")]


@app.command()
def data(
    source: DataArg,
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize images. [default: their own, else 32]")] = None,
    sheet: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Sample pictures of each class.")] = None,
    train: TrainSplit = None,
    val: ValidationSplit = None,
    test: TestSplit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    as_json: Json = False,
) -> None:
    """Look at DATA as a search would read it: classes, splits and where they come from, and what is odd.

    Example: nas data path/to/images --sheet samples.png
    """
    from nas.data.sheet import sheet as draw
    from nas.data.study_data import look_at, said
    from nas.process.files import write_asked

    reading = Reading(
        train=train, validation=val, test=test, image_column=image_column, label_column=label_column,
        skip_broken=skip_broken,
    ).absolute()  # fmt: skip
    found = look_at(source, image_size, reading, progress())
    if sheet:
        write_asked(sheet, draw(found), "sheet")
    assert found.look
    if as_json:
        about = {
            "source": source, "image_size": found.image_size, "channels": found.channels,
            "fingerprint": found.fingerprint, "augment": asdict(found.augment),
        }  # fmt: skip
        print(json.dumps(about | found.look.to_dict() | {"named": found.named}))
    else:
        print_lines(said(found))
    if sheet:
        where = sys.stderr if as_json else sys.stdout
        print(f"{sheet}: the first images of each class, as a network sees them", file=where)
