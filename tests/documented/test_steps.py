"""A walk between two networks, and its answers."""

from __future__ import annotations

import json

import pytest

import nas
from space import compact
from tests.documented.extracted import ROOT
from tests.documented.place import Place, check
from tests.documented.table import CHAINS, Row

CHAIN = "steps"


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))


def test_what_is_said_of_the_committed_study_is_what_its_command_prints(place: Place) -> None:
    text = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    rows = json.loads(place.run(["nas", "steps", "modulation-sigmoid", "--json"], ROOT).out)["rows"]
    kernel, fusion, both = ((100 * row["gain"], 100 * row["half"], row["told"]) for row in rows)
    assert f"gains {fusion[0]:.1f} ± {fusion[1]:.1f} points on average" in text
    assert f"the larger kernel {kernel[0]:.1f} ± {kernel[1]:.1f} (" in text
    assert (fusion[2], kernel[2], both[2]) == (True, False, False)
    networks = nas.Study("modulation-sigmoid", runs=ROOT / "runs").step_networks().set_index(["fusion", "kernel"])
    for name, fused in (("sigmoid(A) * V", False), ("A * V", True)):
        accuracies = networks["accuracy"].to_dict()
        cells = " | ".join(f"{float(accuracies[fused, large]):.2%}" for large in (False, True))
        assert f"| {name} | {cells} |" in text


def test_what_is_said_of_the_other_fusions_is_what_their_commands_print(place: Place) -> None:
    text = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    said = {"modulation-l1": "loses {} against 7", "modulation-sum": "gains {} over 3"}
    cells: dict[tuple[str, bool, bool], str] = {}
    for study, words in said.items():
        kernel, fusion, both = json.loads(place.run(["nas", "steps", study, "--json"], ROOT).out)["rows"]
        half = f" ± {100 * kernel['half']:.1f}"
        told = "which is told" if fusion["told"] else "which is not"
        assert f"{100 * fusion['gain']:.1f} ± {100 * fusion['half']:.1f}" in text
        change = words.format(f"{abs(100 * kernel['gain']):.1f}{half}{' points' * (kernel['gain'] < 0)}")
        assert f"{change}, {told}" in text
        assert (kernel["told"], both["told"]) == (fusion["told"], False)
        networks = nas.Study(study, runs=ROOT / "runs").step_networks()
        cells |= {
            (study, *row[:2]): f"{row[2]:.2%}"
            for row in networks[["fusion", "kernel", "accuracy"]].itertuples(index=False)
        }
    assert (
        f"| A / \\|A\\|_1 * V | | {cells['modulation-l1', False, False]} | {cells['modulation-l1', False, True]} |"
        in text
    )
    assert f"| A + V | {cells['modulation-sum', False, False]} | | {cells['modulation-sum', False, True]} |" in text
    ours = (
        cells["modulation-sum", True, False],
        cells["modulation-l1", True, False],
        cells["modulation-l1", True, True],
    )
    assert f"| A * V | {' | '.join(ours)} |" in text
    assert cells["modulation-sum", True, True] == ours[-1], "the network that both have"


def test_what_is_said_of_the_walk_with_its_widths_is_what_its_command_prints(place: Place) -> None:
    text = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    rows, before = json.loads(place.run(["nas", "steps", "walk-unequal", "--json"], ROOT).out)["rows"], None
    assert len(rows) == 12
    for row in rows:
        change = "" if before is None else f" {100 * (row['accuracy'] - before):+.1f}"
        line = f"| {row['step'] or '(none)'} | {row['accuracy']:.2%} | {compact(row['flops'])} |{change} |"
        assert line in text
        before = row["accuracy"]


def test_what_is_said_of_the_committed_walk_is_what_its_command_prints(place: Place) -> None:
    text = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
    found = json.loads(place.run(["nas", "steps", "walk-32", "--json"], ROOT).out)
    alone = {row["step"]: row for row in found["rows"] if row["where"] is None}
    for name, row in alone.items():
        gain, low, high = (f"{100 * row[each]:+.1f}" for each in ("gain", "contexts_5", "contexts_95"))
        cell = f"| **{name}** | **{gain}** |" if row["told"] else f"| {name} | {gain} |"
        assert f"{cell} {low} to {high} | {row['helps']:.0%} | {100 * row['on_path']:+.1f} |" in text
        assert f"{100 * row['half']:.1f}" == "2.4"
    (pair,) = [row for row in found["rows"] if row["where"] is not None and row["told"]]
    assert {pair["step"], pair["where"]} == {"inverted bottleneck", "depthwise moves up"}
    assert f"+{100 * pair['gain']:.1f} ± {100 * pair['half']:.1f}" in text
    (order,) = found["orders"]
    first, third, last = (f"{100 * order['accuracies'][i]:.1f}%" for i in (0, 3, -1))
    assert (
        f"begins at {first}, is highest after its third step, the depthwise\n  convolution, at {third}, and ends at {last}"
        in text
    )
    assert max(order["accuracies"]) == order["accuracies"][3]
    assert f"lie {100 * order['gain']:.1f} ± {100 * order['half']:.1f} points above" in text
    best = nas.Study("walk-32", runs=ROOT / "runs").step_networks().nlargest(3, "accuracy")
    assert f"({best['accuracy'].min():.1%} to {best['accuracy'].max():.1%})" in text
    assert best["depthwise convolution"].all()
    assert not best[["LN", "fewer norms"]].any(axis=None)
