"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUNS = Path("runs")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Wide = Annotated[bool, typer.Option("--wide", help="Every column, networks in full, for a wide window.")]
Columns = Annotated[
    str | None, typer.Option(metavar="NAME,NAME", help="These columns alone; --columns help lists all.")
]
Runs = Annotated[Path, typer.Option(help="The folder that holds the studies.")]
SpaceArg = Annotated[str, typer.Argument(metavar="SPACE", help="A YAML file or a preset space.")]
StudyArg = Annotated[str, typer.Argument(metavar="STUDY", help="A name under --runs, or a study's folder.")]
Channels = Annotated[int, typer.Option(help="Channels of the images.")]
BandOption = Annotated[str | None, typer.Option(metavar="LO..HI", help="A band, e.g. 20M..25M.")]
ItsSize = Annotated[int | None, typer.Option(help="Side of the images in pixels. [default: an export's own, else 224]")]
ItsClasses = Annotated[int | None, typer.Option(help="Number of classes. [default: an export's own, else 1000]")]
ItsChannels = Annotated[int | None, typer.Option(help="Channels of the images. [default: an export's own, else 3]")]
OwnSize = Annotated[int | None, typer.Option(min=1, help="Side of the images in pixels. [default: the space's]")]
OwnClasses = Annotated[int | None, typer.Option(min=1, help="[default: 10, from 128 px on 1000]")]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="onnx,pt2", help="What to write beside the weights; all: both.")
]
TimmOption = Annotated[bool, typer.Option("--timm", help="Also weights that timm.create_model loads.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite an export.")]
TrainSplit = Annotated[
    str | None, typer.Option("--train", metavar="PATH", help="The training split, by its folder or file.")
]
ValidationSplit = Annotated[str | None, typer.Option("--val", metavar="PATH", help="The validation split.")]
TestSplit = Annotated[str | None, typer.Option("--test", metavar="PATH", help="The test split.")]
ImageColumn = Annotated[str | None, typer.Option(help="The column of images, or of their file names.")]
LabelColumn = Annotated[str | None, typer.Option(help="The column of labels.")]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave out images that cannot be read, up to 1%.")]
