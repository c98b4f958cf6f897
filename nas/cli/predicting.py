"""The command that looks at pictures with an export."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas.cli.base import app, print_table, progress
from nas.cli.options import Json
from nas.data.folders import split_of
from nas.process.files import write_asked
from nas.process.progress import StepLine
from nas.records.look import printable
from space import InputError

if TYPE_CHECKING:
    from nas.export.pictures import Found
    from nas.export.predict import Classifier
    from nas.export.predictions import Predictions


@app.command()
def predict(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="An export's folder, or its model.onnx alone.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of them.")],
    file: Annotated[
        Literal["own", "onnx", "pt2", "timm", "modeling"] | None,
        typer.Option("--format", help="Which of the export's files runs. [default: own]"),
    ] = None,
    out_csv: Annotated[Path | None, typer.Option("--csv", help="Write every picture's probabilities.")] = None,
    out_html: Annotated[Path | None, typer.Option("--html", help="Write a page with the confusion matrix.")] = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Unreadable pictures are no failure.")] = False,
    as_json: Json = False,
) -> None:
    """Classify pictures with EXPORT; where they lie in folders named like its classes, say how often it is right.

    That is kept beside EXPORT for the dashboard. Unreadable pictures are listed, and the exit status is then 1.
    Example: nas predict exports/knee path/to/images --csv predictions.csv --html confusion.html
    """
    from nas.export.facts import trained_on
    from nas.export.kept import keep
    from nas.export.pictures import find
    from nas.export.predict import load_classifier
    from nas.export.predict import predict as classify
    from nas.export.predictions import score, to_json

    for option, out in (("csv", out_csv), ("html", out_html)):
        if out is not None and out.exists():
            raise InputError(f"{option} must not exist, got {out}; choose another file with --{option}")
    classifier = load_classifier(export, file)
    found = find(paths, classifier.preprocess.classes)
    with StepLine(progress(), "looking at pictures").step(total=len(found.files)) as report:
        predictions = classify(classifier, found.files, report)
    scores = score(predictions)
    said = [*trained_on(export, paths), *notes(found, classifier, predictions)]
    for line in said:
        print(f"note: {printable(line)}", file=sys.stderr)
    for line in predictions.broken:
        print(f"broken: {line}", file=sys.stderr)
    if out_csv is not None:
        write_asked(out_csv, predictions_csv(predictions), "csv")
    if out_html is not None:
        from dashboard.prediction_page import write_predictions

        write_predictions(out_html, f"{export.name or export.resolve().name}: predictions", predictions, scores)
    if as_json:
        about = {"export": str(export), "format": classifier.kind, "notes": list(map(printable, said))}
        print(json.dumps({**about, **to_json(predictions, scores)}))
    else:
        from nas.cli.prediction_tables import prediction_tables, summary

        for each in prediction_tables(predictions, scores):
            print_table(each)
        print(summary(predictions, scores))
    if scores is not None and export.is_dir():
        try:
            kept = keep(export, paths, classifier, predictions, scores, list(map(printable, said)))
            print(f"kept for the dashboard: {kept}", file=sys.stderr)
        except OSError as error:
            print(f"note: not kept for the dashboard: {error}", file=sys.stderr)
    if predictions.broken and not skip_broken:
        raise typer.Exit(1)


def notes(found: Found, classifier: Classifier, predictions: Predictions) -> list[str]:
    """What a person may not expect of the files."""
    said, channels, classes = [*found.notes], classifier.preprocess.channels, classifier.preprocess.classes
    if found.labelled < len(found.files):
        rest, names = len(found.files) - found.labelled, some(found.strange)
        step = "; name the folder of one split" if found.strange and all(map(split_of, found.strange)) else ""
        count = f"{rest:,} picture{'s count' if rest > 1 else ' counts'}"
        said.append(f"{count} for no accuracy: no class is called {names}, but {some(classes)}{step}")
    grey = sum(answer.grey for answer in predictions.answers)
    if grey and channels == 3:
        said.append(f"{grey:,} pictures are grey and the network is of RGB: the value stands in all channels")
    said += repeated(predictions)
    if channels == 1 and (colour := len(predictions.answers) - grey):
        said.append(f"{colour:,} pictures have colours and the network is of grey: they were turned grey")
    return said


def repeated(predictions: Predictions) -> list[str]:
    """That some pictures with labels occur more than once, and what accuracy is without: a split has each once."""
    from nas.export.predictions import distinct, score

    once, scores = score(distinct(predictions)), score(predictions)
    if scores is None or once is None or once.images == scores.images:
        return []
    return [
        f"{scores.images - once.images:,} pictures look like another of these and count too; accuracy without them "
        f"{once.counts.accuracy:.2%} (n = {once.images:,})"
    ]


def some(names: Sequence[str], most: int = 5) -> str:
    """A few of many."""
    rest = f", ... ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def predictions_csv(predictions: Predictions) -> str:
    """A row per picture: path, label, answer, its probability, and the probability of every class."""
    import pandas as pd

    from nas.analysis.csv_text import as_csv

    classes, rows = predictions.classes, []
    for answer in predictions.answers:
        label = "" if answer.label is None else classes[answer.label]
        path, found = printable(str(answer.path)), classes[answer.answer]
        rows.append([path, label, found, answer.probability, *answer.probabilities.tolist()])
    names = ["path", "label", "answer", "probability", *(f"probability of {name}" for name in classes)]
    return as_csv(pd.DataFrame(rows, columns=names))
