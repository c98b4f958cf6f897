"""The vocabulary's page: tables equal to the registry, examples that load and count, refusals in their words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from space import Arch, InputError, Task, cost
from space.describe import HEADINGS, vocabulary
from space.network import Network
from space.parts import Kind, find_part, names, options

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
PUBLISHED = {"convnext_tiny": 28_589_128, "resnet50": 25_557_032, "conv2former_t": 26_697_204}


def blocks(heading: str) -> list[str]:
    """The YAML of a section, the title's being the first."""
    (text,) = [text for text in re.split(r"^##+ ", PAGE[2:], flags=re.MULTILINE) if text.startswith(heading)]
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def rows(table: str) -> list[list[str]]:
    """The cells of a markdown table, its line of dashes left out."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.strip().splitlines()]
    assert len({len(line) for line in lines}) == 1, table
    return [[cell.strip() for cell in line] for line in lines if set(line[0]) != set(" -")]


def tables(kind: Kind) -> list[list[list[str]]]:
    (section,) = [part for part in vocabulary().split("### ") if part.startswith(HEADINGS[kind])]
    return [rows(table) for table in section.split("\n\n")[1:] if table.strip()]


def test_the_page_holds_the_vocabulary() -> None:
    page = re.search(r"<!-- vocabulary: .*? -->\n\n(.*)\n\n<!-- end of vocabulary -->", PAGE, re.DOTALL)
    assert page is not None
    assert page[1] == vocabulary(), "run the command in the marker of docs/networks.md and put its output there"


@pytest.mark.parametrize("kind", HEADINGS)
def test_every_part_is_listed_with_its_source_and_its_parameters(kind: Kind) -> None:
    header, *listed = tables(kind)[0]
    assert [row[0].strip("`") for row in listed] == list(names(kind))
    assert all(row[1].endswith(".") for row in listed)
    if kind == "norm":
        assert header[-1] == "parameters a channel"
        for name, _, each in listed:
            assert sum(p.numel() for p in find_part("norm", name.strip("`")).module(7).parameters()) == 7 * int(each)


def defaults() -> Iterator[tuple[Kind, str, dict[str, str]]]:
    """Per stem, block and head: its options and defaults as the tables give them."""
    kinds: tuple[Kind, ...] = ("stem", "block", "head")
    for kind in kinds:
        header, *listed = tables(kind)[1]
        for i, part in enumerate(header[3:], 3):
            yield kind, part.strip("`"), {row[0].strip("`"): row[i] for row in listed if row[i]}


@pytest.mark.parametrize(
    ("kind", "part", "written"), list(defaults()), ids=lambda value: value if type(value) is str else ""
)
def test_the_defaults_of_the_tables_are_those_that_are_built(kind: Kind, part: str, written: dict[str, str]) -> None:
    cls = find_part(kind, part)
    assert set(written) == set(options(cls))
    assert cls(**{name: yaml.safe_load(text) for name, text in written.items()}) == cls()


def test_bars_in_a_table_are_escaped() -> None:
    (row,) = [row for row in tables("block")[1] if row[0] == "`fusion`"]
    assert r"A / \|A\|_1 * V" in row[2]


def test_the_examples_are_the_published_networks() -> None:
    examples = blocks("Writing a network")
    claims = [int(number.replace(",", "")) for number in re.findall(r"\(([\d,]+)\s+parameters\)", PAGE)]
    assert claims == list(PUBLISHED.values())
    for text, preset, params in zip(examples, PUBLISHED, claims, strict=True):
        network = Arch.from_dict(yaml.safe_load(text))
        assert cost(network, Task()).params == params
        with torch.device("meta"):
            assert sum(p.numel() for p in Network(network, Task()).parameters()) == params
        assert network == Arch.load(preset)


def test_the_positions_describe_one_network() -> None:
    (text,) = blocks("Positions")
    same = yaml.safe_load(text)
    assert len(same) == 3
    other = {"block": "convnext", "depth": 3, "width": 96, "norm_after": "1-2"}
    keys = [Arch.from_dict({"stages": [stage]}).key for stage in (*same, other)]
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


def refusals() -> list[tuple[str, str]]:
    """A network that is refused, and the line it gets."""
    found = []
    for text in blocks("What is refused")[0].split("---\n"):
        _, line = re.findall(r"^# (.*)$", text, re.MULTILINE)
        found.append((text, line))
    return found


@pytest.mark.parametrize(
    ("text", "line"), refusals(), ids=lambda value: value.split("must")[0] if "\n" not in value else ""
)
def test_what_does_not_go_together_is_refused_in_these_words(text: str, line: str) -> None:
    with pytest.raises(InputError) as refusal:
        Arch.from_dict(yaml.safe_load(text))
    assert str(refusal.value) == line


def test_every_refusal_of_the_source_stands_on_the_page() -> None:
    source = Path(__file__).parents[2] / "space"
    written = "".join((source / f"{name}.py").read_text() for name in ("blocks", "stems"))
    # A refusal begins with its field: `return f"groups must ...`
    fields = set(re.findall(r'f"(\w+) must', written))
    assert fields == {re.split(r"[. ]", line.split(" must")[0])[-1] for _, line in refusals()} - {"downsample"}
