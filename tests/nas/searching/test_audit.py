"""Audits: the statistics against scipy, by hand and on made-up truth; the command on a tiny study that is killed."""

from __future__ import annotations

import io
import json
import math
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nas.analysis.rank_agreement import Audited, Effect, agreement, bootstrap, effects, kendall
from nas.cli.audit_tables import agreement_table, effects_table
from nas.data.dataset import load
from nas.data.study_data import describe_data
from nas.records.recipe import Recipe
from nas.records.trial import Trial
from nas.searching.audit import FILE, Audit, parse_images, run_audit, spread
from nas.storage.reader import Reader
from nas.training.brief import Diverged, train
from space import Arch, InputError, Stage
from space.blocks import ConvNeXt, Modulation
from tests.dashboard.studies import make_settings, make_study
from tests.nas.conftest import Run

QUIET = Console(quiet=True)
OPTIONS = {"networks": 4, "images": "2x", "seed": 0, "data_source": None, "device": "cpu", "console": QUIET}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20))
def test_tau_over_all_pairs_is_scipys(points: list[tuple[int, int]]) -> None:
    x, y = (np.array(column, float) for column in zip(*points, strict=True))
    found = kendall(x, y, np.ones((len(x), len(x)), bool))
    expected = scipy.stats.kendalltau(x, y).statistic
    assert found.pairs == len(x) * (len(x) - 1) // 2
    if np.isnan(expected):
        assert found.value is None
    else:
        assert found.value == pytest.approx(expected)


def test_tau_over_some_pairs_by_hand() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0, 3.0])
    pairs = np.zeros((4, 4), bool)
    for i, j in ((0, 1), (0, 2), (2, 3)):  # discordant, concordant, tied in y
        pairs[i, j] = pairs[j, i] = True
    found = kendall(x, y, pairs)
    assert (found.value, found.pairs) == (0.0, 3)
    pairs[1, 2] = pairs[2, 1] = True
    assert kendall(x, y, pairs).value == pytest.approx((2 - 1) / (4 * 3) ** 0.5)


def test_the_interval_of_tau_covers_the_truth() -> None:
    rho, inside = 0.6, []
    truth = 2 / np.pi * np.arcsin(rho)  # of a bivariate normal
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(24)
        y = rho * x + (1 - rho**2) ** 0.5 * rng.standard_normal(24)
        found = kendall(x, y, np.ones((24, 24), bool), seed)  # of one tau by itself
        assert found.low is not None
        assert found.high is not None
        inside.append(found.low <= truth <= found.high)
    assert 0.88 < np.mean(inside) < 0.99


def test_an_effect_by_hand() -> None:
    rows = [
        replace(row, brief=0.5, long=0.6 + 0.02 * math.log2(d))
        for row, d in zip(made(8, 3, signal=1), [1, 2] * 4, strict=True)
    ]
    stages = [(Stage(depth=d, width=32), Stage(depth=d, width=64)) for d in [1, 2] * 4]
    rows = [replace(row, arch=Arch(stages=s).to_dict()) for row, s in zip(rows, stages, strict=True)]
    (effect,) = effects(rows)
    assert (effect.axis, effect.choice) == ("depth", "doubled")
    assert effect.change == pytest.approx(0.02)
    assert [effect.low, effect.high] == pytest.approx([0.02, 0.02]), "nothing else is going on"


def made(count: int, seed: int, *, signal: float, bias: float = 0.0) -> list[Audited]:
    """Networks whose accuracy rises with log FLOPs; brief training sees `signal` of what they are at equal FLOPs, and
    under-rates kernel 11 by `bias`."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        flops = int(3e6 * 10 ** rng.random())
        kernel, block = (11 if rng.random() < 0.5 else 3), (Modulation if rng.random() < 0.5 else ConvNeXt)
        arch = Arch(stages=(Stage(depth=2, width=32, block=block(kernel=kernel)), Stage(depth=2, width=64)))
        own = rng.standard_normal()
        line = 0.5 + 0.05 * np.log(flops / 3e6)
        brief = line + 0.02 * (signal * own + (1 - signal**2) ** 0.5 * rng.standard_normal())
        long = line + 0.1 + 0.02 * own + bias * (kernel == 11) * 0.5  # half of the blocks
        rows.append(
            Audited(number=number, arch=arch.to_dict(), flops=flops, brief=brief, long=long, seconds=1.0, seed=1)
        )
    return rows


def test_brief_training_that_sees_only_flops_is_not_shown_to_rank() -> None:
    blind, sees = agreement(made(40, 0, signal=0.0)), agreement(made(40, 0, signal=0.95))
    assert blind.overall.low is not None
    assert blind.overall.low > 0, "overall it ranks: FLOPs do"
    assert "brief training is not shown to rank: tau" in blind.verdict()
    assert "brief training ranks: tau" in sees.verdict()
    assert (sees.equal.value or 0) > (sees.equal_flops.value or 0) + 0.2
    assert f"; FLOPs alone give {sees.equal_flops.value:.2f}." in sees.verdict()


def test_the_intervals_of_the_four_taus_hold_together() -> None:
    rows = made(24, 0, signal=0.9)
    x, y = np.array([row.brief for row in rows]), np.array([row.long for row in rows])
    found, alone = agreement(rows).overall, kendall(x, y, np.ones((24, 24), bool))
    _, resampled = bootstrap(x, y, np.ones((24, 24), bool))
    assert found.value == alone.value
    assert [found.low, found.high] == pytest.approx(np.nanquantile(resampled, [0.05 / 8, 1 - 0.05 / 8]))
    assert (found.low or 0) < (alone.low or 0) < (alone.high or 0) < (found.high or 0)


@pytest.mark.parametrize("count", range(4, 9))
def test_too_few_networks_have_no_intervals_and_say_how_many_are_needed(count: int) -> None:
    """Four once had an effect of `-77.8, -1495 to +1339 points`."""
    found, console = agreement(made(count, 0, signal=0.95)), Console(width=250, record=True, file=io.StringIO())
    console.print(agreement_table(found, 50_000, make_settings("mine")))
    if found.effects:
        console.print(effects_table(found))
    text = " ".join(console.export_text().split())
    known = count >= 7
    assert (found.overall.low is not None) is bool(found.effects) is known
    assert (f"Too few for an interval: {count} networks, and 7 are needed" in text) is not known
    assert (f"To judge design choices, {count} networks are too few: 7 are needed." in text) is not known
    assert ("95% for all 4 intervals together (Bonferroni)" in text) is known
    assert not re.search(r"[+-]\d{3}", text), "no more than 100 points"
    if count == 4:
        pairs = f"are {found.equal.pairs} of the pairs of 4 networks: too few to say whether brief training ranks; 10"
        assert pairs in text


def test_an_effect_beyond_accuracys_range_is_not_printed() -> None:
    wide = Effect(axis="kernel", choice="11", change=0.9, low=None, high=None)
    assert wide.rated == ""
    rows = [replace(row, brief=0.1 if i % 2 else 0.9) for i, row in enumerate(made(7, 1, signal=0.5))]
    found = agreement(rows)
    assert any(effect.low is None for effect in found.effects)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(effects_table(found))
    assert "too few" in console.export_text()


def test_pairs_of_equal_flops_by_brute_force() -> None:
    rows = made(20, 1, signal=0.5)
    expected = sum(1 / 1.5 <= a.flops / b.flops <= 1.5 for i, a in enumerate(rows) for b in rows[:i])
    assert agreement(rows).equal.pairs == expected
    assert agreement(rows).overall.pairs == 190


def test_a_choice_that_brief_training_under_rates_is_found_and_no_other() -> None:
    found = {(e.axis, e.choice): e for e in effects(made(40, 2, signal=0.9, bias=0.08))}
    assert found["kernel", "11"].rated == "under-rated"
    low, high = found["kernel", "11"].low, found["kernel", "11"].high
    assert low is not None
    assert high is not None
    assert low < 0.04 < high, "half of the blocks at most"
    assert ("kernel", "3") not in found, "the lack of kernel 11"
    assert {e.axis for e in found.values() if e.rated} == {"kernel"}
    assert {e.axis for e in found.values()} == {"kernel", "block"}, "what goes with a block is said once"
    assert ("norm", "ln") not in found, "all networks have it"
    text = agreement(made(40, 2, signal=0.9, bias=0.08)).bias()
    assert "kernel 11 under-rated by" in text


def test_where_nothing_is_misjudged_something_is_called_so_in_one_audit_of_twenty() -> None:
    alarms = [any(e.rated for e in effects(made(24, seed, signal=0.5))) for seed in range(200)]
    assert np.mean(alarms) < 0.08
    assert "is shown to be over- or under-rated" in agreement(made(24, 1, signal=0.5)).bias()
    same = [replace(row, arch=made(1, 0, signal=1)[0].arch) for row in made(8, 0, signal=0.5)]
    assert agreement(same).bias() == "No design choice varies enough among these networks to be judged."


@given(st.lists(st.integers(1, 50), min_size=4, max_size=40), st.integers(4, 30), st.integers(0, 5))
def test_the_sample_is_spread_over_flops(costs: list[int], count: int, seed: int) -> None:
    trials = [Trial(number=i, state="complete", flops=c, accuracy=0.5) for i, c in enumerate(costs)]
    chosen = spread(trials, count, seed)
    assert chosen == spread(trials, count, seed)
    assert len(set(chosen)) == len(chosen) == min(count, len(costs))
    rank = {t.number: i for i, t in enumerate(sorted(trials, key=lambda t: (t.flops or 0, t.number)))}
    groups = Counter(
        int(np.searchsorted(ends, rank[n], "right")) for n in chosen for ends in [_ends(len(costs), count)]
    )
    assert set(groups.values()) == {1}, "one of each group of neighbours"


def _ends(total: int, count: int) -> list[int]:
    return [int(part[-1]) + 1 for part in np.array_split(np.arange(total), min(count, total))]


def test_images_are_a_number_or_a_multiple() -> None:
    assert {parse_images(text, 30_000) for text in ("5x", "150K", "150000", "0.15M")} == {150_000}
    for text in ("1x", "30K", "0x", "1000"):
        with pytest.raises(InputError) as refusal:
            parse_images(text, 30_000)
        assert str(refusal.value) == f"images must be more than the study's 30,000, got {text}; write e.g. 5x or 150K"
    for text in ("many", "-3", "2.5x", "x"):
        with pytest.raises(InputError, match="images must be"):
            parse_images(text, 30_000)


def test_too_few_networks_are_refused() -> None:
    trials = [Trial(number=i, state="complete", flops=9, accuracy=0.5) for i in range(9)]
    for count, there, step in ((24, 3, "search for more networks first"), (3, 9, "raise --networks")):
        with pytest.raises(InputError) as refusal:
            spread(trials[:there], count, 0)
        rule = f"networks must be 4 or more of those that finished, got {count} of {there}"
        assert str(refusal.value) == f"{rule}; {step}"


@pytest.fixture
def study(tmp_path: Path) -> Reader:
    """Six networks on the digits with invented accuracies; trained anew, they take two epochs of two batches."""
    folder = make_study(tmp_path, "s", complete=6)
    recipe = Recipe(epochs=2, train_images=128).to_dict()
    make_settings("s", data=describe_data(load("digits")), recipe=recipe).write(folder)
    return Reader(folder)


def test_an_audit_that_was_killed_goes_on_where_it_was(study: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def killed(*args: object, **options: object) -> object:
        calls.append(options["seed"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.training.trainer.train", killed)
    with pytest.raises(KeyboardInterrupt):
        run_audit(study, **OPTIONS)  # type: ignore[arg-type]
    half = Audit.read(study.folder)
    assert half
    assert (len(half.rows), len(half.left())) == (2, 2)
    whole = run_audit(study, **OPTIONS)  # type: ignore[arg-type]
    assert len(calls) == 5, "the third network again, and the fourth"
    assert whole == Audit.read(study.folder)
    assert whole.rows[:2] == half.rows
    assert not list(study.folder.glob("*.tmp"))
    trials = {t.number: t for t in study.trials()}
    for row in whole.rows:
        assert row.brief == trials[row.number].accuracy
        assert row.flops == trials[row.number].flops
        assert row.seed != trials[row.number].seed
    run_audit(study, **OPTIONS)  # type: ignore[arg-type]
    assert len(calls) == 5, "a finished audit is only read"

    for field, value, said in (("networks", 5, 4), ("images", "3x", 512), ("seed", 1, 0)):
        with pytest.raises(InputError) as refusal:
            run_audit(study, **OPTIONS | {field: value})  # type: ignore[arg-type]
        got = 768 if field == "images" else value
        assert str(refusal.value) == (
            f"{field} must be {said} to go on with the audit of s, got {got}; "
            f"remove {study.folder / FILE} to begin another"
        )


def test_a_long_training_that_diverges_is_noted_and_left_out(study: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def diverges(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise Diverged("loss became nan within 256 of 512 images")
        return train(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.training.trainer.train", diverges)
    done = run_audit(study, **OPTIONS)  # type: ignore[arg-type]
    assert (len(done.rows), list(done.failed.values())) == (3, ["loss became nan within 256 of 512 images"])
    assert done.left() == []
    assert Audit.read(study.folder) == done


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"), MemoryError()]
)
def test_a_network_that_does_not_fit_is_noted_and_the_audit_goes_on(
    study: Reader, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls = []

    def fails(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return train(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.training.trainer.train", fails)
    console = Console(record=True, width=300, file=io.StringIO())
    done = run_audit(study, **{**OPTIONS, "console": console})  # type: ignore[arg-type]
    ((number, reason),) = done.failed.items()
    said = "CUDA out of memory. Tried to allocate 2 GiB" if str(error) else "MemoryError"
    assert reason.startswith(f"out of memory: {said} (network ")
    assert (len(done.rows), done.left(), Audit.read(study.folder)) == (3, [], done)
    assert f"trial {number} has failed, the audit goes on: out of memory" in console.export_text()


def test_an_error_that_is_not_the_networks_ends_the_audit(study: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **options: object) -> object:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("nas.training.trainer.train", fails)
    with pytest.raises(RuntimeError, match="a mistake"):
        run_audit(study, **OPTIONS)  # type: ignore[arg-type]
    assert Audit.read(study.folder) is None


def test_the_command_prints_the_report_and_json(study: Reader, run: Run) -> None:
    words = ("audit", study.folder, "--networks", 5, "--images", 512, "--device", "cpu")
    code, out, err = run(*words)
    assert code == 0
    assert err.count("after brief training") == 5
    note = "note: 5 networks are too few for intervals, 7 are needed; search for more networks first\n"
    assert note in err, "the study has but 6"
    assert "Kendall's tau-b" in out
    assert "brief training, equal FLOPs" in out
    code, out, err = run(*words, "--json")
    plain = json.loads(out)
    assert (code, err) == (0, "")
    assert (plain["networks"], plain["images"], plain["brief_images"], len(plain["rows"])) == (5, 512, 256, 5)
    assert plain["agreement"]["overall"]["pairs"] == 10
    code, _, err = run("audit", study.folder)
    assert code == 2
    assert err.startswith("error: networks must be 5 to go on with the audit of s, got 24; remove ")


def test_a_damaged_audit_is_refused(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"plan": {}}', '{"plan": 3, "rows": [], "failed": {}}'):
        (tmp_path / FILE).write_text(content)
        with pytest.raises(InputError, match=r"audit.json must be a whole audit, got .*; remove it to begin another"):
            Audit.read(tmp_path)
    assert Audit.read(tmp_path / "nowhere") is None


def test_tables_say_their_split_convention_and_verdict() -> None:
    rows = made(30, 2, signal=0.9, bias=0.08)
    random.Random(0).shuffle(rows)
    found, console = agreement(rows), Console(width=200, record=True, file=io.StringIO())
    console.print(agreement_table(found, 50_000, make_settings("mine")))
    console.print(effects_table(found))
    text = " ".join(console.export_text().split())
    for part in (
        "mine: 30 networks after 10,000 images, as in the study, and after 50,000",
        "validation top-1 after 50,000 images (n = 360 images, 1 seed each, not the study's)",
        "conv + linear multiply-accumulates",
        found.verdict(),
        "under-rated",
    ):
        assert part in text
