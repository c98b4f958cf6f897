"""The table has every printed command, and runs what is printed."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator

import click
import pytest
import typer

from nas.cli.base import app
from tests.documented import extracted
from tests.documented.extracted import ROOT
from tests.documented.table import CHAINS, CI, ELSEWHERE, HAND, LEFT, SHORTER, SMALLER, SNIPPETS, Row

ROWS = [row for chain in CHAINS.values() for row in chain]
KNOWN = {form for row in ROWS for form in row.printed} | {form for row in LEFT for form in row.printed}
COMMANDS: dict[str, click.Command] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PINNED = {"--sampler", "--stop", "--workers", "--on"}
OTHERS = {"--nproc-per-node", "--ntasks", "--gpus-per-task", "--logdir"}  # of torchrun, srun, tensorboard
EXTRA = re.compile(r"pip install -e '\.\[([\w,]+)\]'")


def test_every_printed_command_is_in_the_table() -> None:
    found = [each for each in extracted.commands() if not EXTRA.fullmatch(each.text)]
    assert len(found) > 100
    missing = [f"{each.place} is in no row of tests/documented/table.py: {each.text}" for each in found]
    assert not [line for line, each in zip(missing, found, strict=True) if each.text not in KNOWN]


def test_every_row_is_printed_somewhere() -> None:
    assert KNOWN - {each.text for each in extracted.commands()} == set(), "rows of commands that are printed no longer"


def test_every_snippet_is_run() -> None:
    for each in extracted.snippets():
        ours = [begin for begin in SNIPPETS if each.text.startswith(begin)]
        assert len(ours) == 1 or each.page in ELSEWHERE, f"{each.place} is in no row: {each.text}"


def test_every_verb_and_option_that_is_mentioned_exists() -> None:
    for each in extracted.verbs():
        assert each.text.split()[1] in COMMANDS, f"{each.place}: {each.text}"
    known = {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    benchmarks = {word for row in LEFT for form in row.printed for word in form.split() if "benchmarks" in form}
    for each in extracted.options():
        assert each.text in known | benchmarks | OTHERS | {"--help", "--debug", "--version"}, (
            f"{each.place}: {each.text}"
        )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.typed)
def test_a_row_runs_what_is_printed(row: Row) -> None:
    for form in row.printed:
        for fault in differences(form, row.typed):
            raise AssertionError(f"{form}: {fault}")


@pytest.mark.parametrize(
    ("printed", "typed", "fault"),
    [
        (
            "nas search S --stop quantile --trials 9",
            "nas search digits --stop none --trials 9",
            "--stop must be quantile",
        ),
        ("nas search S --workers 2", "nas search digits --workers 1", "--workers must be 2"),
        ("nas search S --workers 2", "nas search digits", "--workers must stay"),
        ("nas search S --trials 9", "nas search digits --trials 2 --sampler random", "--sampler must not come"),
        ("nas front digits", "nas front other", "digits must stay"),
        ("nas front STUDY", "nas trials digits", "front must stay"),
    ],
)
def test_what_a_row_may_not_do(printed: str, typed: str, fault: str) -> None:
    assert fault in " ".join(differences(printed, typed))


def differences(printed: str, typed: str) -> Iterator[str]:
    """What is typed otherwise than printed, beyond names of one's own, numbers and what makes it shorter."""
    optional = set(re.findall(r"\[(--[a-z-]+)", printed))
    open_ended = "..." in re.sub(r"\S+(=|://)\.\.\.", "", printed)
    words, options = _parsed(re.sub(r"[][]", "", printed.removeprefix("time ")))
    typed_words, typed_options = _parsed(typed)
    if not printed.startswith("... "):
        wanted = [word for word in words if word != "..."]
        for word, other in zip(wanted, typed_words[: len(wanted)] if open_ended else typed_words, strict=True):
            if word != other and not _of_ones_own(word):
                yield f"{word} must stay, got {other}"
    for name in set(options) - set(typed_options) - optional:
        yield f"{name} must stay"
    for name, values in typed_options.items():
        if name not in options:
            if not open_ended and name not in SHORTER:
                yield f"{name} must not come"
        elif values != options[name] and not _may_be(name, options[name], values):
            yield f"{name} must be {' '.join(options[name])}, got {' '.join(values)}"


def _parsed(command: str) -> tuple[list[str], dict[str, list[str]]]:
    """Words, and options with their values; `-m` is a word."""
    words, options, rest = list[str](), dict[str, list[str]](), iter(shlex.split(command))
    name = ""
    for word in rest:
        if word.startswith("--"):
            name = word
            options.setdefault(name, [])
        elif name and len(options[name]) < command.split().count(name) and word != "-m":
            options[name].append(word)
        else:
            words.append(word)
            name = ""
    return words, options


def _of_ones_own(word: str) -> bool:
    """Stands for something else: STUDY, path/to/images, a number, a setting of a variable."""
    return bool(re.search(r"[A-Z]{3}|[/.]|^\d+[xKhs]?$", word)) or word in SMALLER or word == "N"


def _may_be(name: str, printed: list[str], typed: list[str]) -> bool:
    """One of a|b|c, or another thing of one's own."""
    if len(printed) == len(typed) == 1 and typed[0] in printed[0].split("|"):
        return True
    return name not in PINNED and len(printed) == len(typed) and all(map(_of_ones_own, printed))


def test_what_stands_for_the_rest_is_there() -> None:
    script = (ROOT / CI).read_text()
    for row in LEFT:
        assert row.why
        if row.by == CI:
            assert row.printed[0].removeprefix("make ") in re.findall(r"(?<= )[a-z]+", script)
        elif row.by != HAND:
            assert (ROOT / row.by).exists()


def test_what_pages_tell_to_install_is_installed_by_make() -> None:
    """`make test` installs the extra `dev`, which has all others."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (others,) = [line for line in extras["dev"] if "[" in line and line.startswith("convnext")]
    matches = [EXTRA.fullmatch(each.text) for each in extracted.commands()]
    found = {extra for match in matches if match for extra in match[1].split(",")}
    assert found
    assert found <= set(re.split(r"[][,]", others)[1:-1])


def _benchmarks() -> list[str]:
    forms = {re.sub(r"^[A-Z_]+=\S+ ", "", form) for row in LEFT if row.by == HAND for form in row.printed}
    return sorted(form for form in forms if form.startswith("python"))


@pytest.mark.parametrize("command", _benchmarks())
def test_a_benchmark_takes_the_words_that_are_printed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to its work: that takes minutes to hours."""

    class Taken(Exception):
        pass

    def parse(self: argparse.ArgumentParser) -> None:
        real(self)
        raise Taken

    module, *words = command.split()[2:]
    real = argparse.ArgumentParser.parse_args
    if not words and "argparse" not in (ROOT / f"{module.replace('.', '/')}.py").read_text():
        return
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr("sys.argv", [module, *words])
    with pytest.raises(Taken):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
