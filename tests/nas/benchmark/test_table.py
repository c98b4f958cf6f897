"""Recording: what studies trained comes back from the table; what does not fit or is damaged is refused."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from nas.analysis.seed_noise import pooled_noise
from nas.benchmark.replay_report import run_replay
from nas.benchmark.table import RecordedTable, Recording, gather
from nas.benchmark.table_card import card, rank_correlations, save_table
from nas.records.settings import JOURNAL, VERSION, Settings
from nas.records.trial import Period
from nas.storage.artifacts import open_store, save_curve
from nas.storage.journal import open_file
from nas.storage.owners import owner
from space import InputError
from tests.nas.conftest import Run
from tests.nas.made_up import NOISE, TAUS, make_settings, make_table


def write_study(folder: Path, recordings: tuple[Recording, ...], *, running: bool = False, **changes: Any) -> Path:
    """A study's folder with these trainings, as a search leaves it; and a failed trial, which is no training."""
    folder.mkdir(parents=True)
    make_settings(**{"name": folder.name, **changes}).write(folder)
    (folder / JOURNAL).touch()
    study = optuna.create_study(storage=open_file(folder / JOURNAL), directions=["maximize", "minimize"])
    store = open_store(folder, None)
    for one in recordings:
        trial = study.ask()
        names = ("key", "flops", "params", "activations", "seed", "log_density", "seconds")
        for name, value in {**{n: getattr(one, n) for n in names}, "arch": dict(one.arch), "owner": owner()}.items():
            trial.set_user_attr(name, value)
        save_curve(store, trial, one.curve)
        study.tell(trial, [one.accuracy, one.flops])
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    if running:
        study.ask().set_user_attr("owner", owner())
    return folder


def assert_same(one: Recording, two: Recording) -> None:
    """Equal to the six digits of a curve's file."""
    plain, other = asdict(one), asdict(two)
    curves = [
        np.array([[e["loss"], e["accuracy"], e["seconds"]] for e in each.pop("curve")]) for each in (plain, other)
    ]
    assert plain == other
    np.testing.assert_allclose(curves[0], curves[1], atol=2e-3)


def test_trainings_come_back_from_studies_and_from_the_file(tmp_path: Path) -> None:
    table = make_table(6, twice=2, periods=3)
    first = write_study(tmp_path / "a", table.recordings[:4], periods=3)
    second = write_study(tmp_path / "b", table.recordings[2:], periods=3, seed=5)  # two of them again
    gathered = gather([first, second])
    assert len(gathered.recordings) == 8
    for one, two in zip(gathered.recordings, table.recordings, strict=True):
        assert_same(one, two)
    assert [s["trainings"] for s in gathered.made["studies"]] == [4, 4]
    assert [len(rows) for rows in gathered.networks.values()] == [2, 2, 1, 1, 1, 1]
    assert "../data" not in json.dumps(asdict(gathered.settings))

    path = tmp_path / "out" / "table.parquet"
    save_table(gathered, path)
    back = RecordedTable.load(path)
    assert back.recordings == gathered.recordings
    assert back.settings == gathered.settings
    assert back.made == gathered.made
    assert sorted(p.name for p in path.parent.iterdir()) == ["table.md", "table.parquet"]
    assert (back.periods, back.images, back.band) == (3, 12_000, gathered.settings.band)


def test_studies_that_counted_epochs_are_recorded_with_those_that_do_not(tmp_path: Path) -> None:
    table, plain = make_table(4, periods=3), make_settings(3).recipe
    recipe = {name: plain[name] for name in plain if name not in ("images", "period_images", "optimizer")}
    first = write_study(tmp_path / "a", table.recordings[:2], recipe=recipe | {"epochs": 3, "lr": 0.002})
    adamw = plain | {"optimizer": "adamw", "lr": 0.002}
    second = write_study(tmp_path / "b", table.recordings[2:], recipe=adamw)
    for one, two in zip(gather([first, second]).recordings, table.recordings, strict=True):
        assert_same(one, two)
    third = write_study(tmp_path / "c", table.recordings[2:], recipe=plain)
    with pytest.raises(InputError, match=r"recipe.optimizer must be adamw as in a, got muon in c; record them apart"):
        gather([first, third])


def test_a_file_of_format_1_is_the_same_table(tmp_path: Path) -> None:
    """Where a period was called an epoch, and AdamW went without saying."""
    path, plain = tmp_path / "t.parquet", make_settings(2).recipe | {"optimizer": "adamw", "lr": 0.002}
    table = replace(make_table(5, periods=2, twice=1), settings=make_settings(2, recipe=plain))
    save_table(table, path)
    assert RecordedTable.load(path) == table
    content = parquet.read_table(path)
    papers = json.loads(content.schema.metadata[b"nas"])
    assert papers["format"] == 2
    recipe = {name: plain[name] for name in plain if name not in ("images", "period_images", "optimizer")}
    papers |= {"format": 1, "settings": papers["settings"] | {"recipe": recipe | {"epochs": 2}}}
    names = [name.replace("period", "epoch").replace("images", "epochs") for name in content.schema.names]
    content = content.rename_columns(names).replace_schema_metadata({b"nas": json.dumps(papers).encode()})
    parquet.write_table(content, path)
    back = RecordedTable.load(path)
    assert back.recordings == table.recordings
    assert (back.periods, back.images) == (2, 12_000)
    assert back.settings.build_recipe() == table.settings.build_recipe()


@pytest.mark.parametrize(
    ("name", "networks", "trainings"),
    [("recorded-30k", 400, 460), ("convnext_or_modulation_32", 400, 430), ("exhaustive", 256, 320)],
)
def test_the_tables_of_this_package_are_of_six_periods(name: str, networks: int, trainings: int) -> None:
    table = RecordedTable.load(Path(name))
    assert (table.periods, table.images) == (6, 5000)
    assert (len(table.networks), len(table.recordings)) == (networks, trainings)
    assert {one.curve[-1].images for one in table.recordings} == {30_000}


def test_the_lines_of_the_card_load_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(5, periods=2)
    save_table(table, tmp_path / "t.parquet")
    text = (tmp_path / "t.md").read_text()
    lines = text.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(lines, names)
    assert names["curves"].shape == (5, 2)
    assert list(names["curves"].index) == [one.key for one in table.recordings]
    frame: pd.DataFrame = names["table"]
    assert list(frame.columns) == [
        "key", "arch", "flops", "params", "activations", "seed", "log_density", "accuracy", "seconds", "images",
        "period_loss", "period_accuracy", "period_seconds",
    ]  # fmt: skip
    assert frame["flops"].tolist() == [one.flops for one in table.recordings]
    assert "Too few networks (5) for correlations." in text
    assert all(len(line) < 400 for line in text.splitlines())


def test_the_card_finds_the_noise_and_the_correlations_that_were_put_in() -> None:
    table = make_table(400, twice=150)
    noise = pooled_noise([[one.accuracy for one in rows] for rows in table.networks.values()])
    assert noise is not None
    assert noise.sd == pytest.approx(NOISE, rel=0.15)
    firsts = [rows[0] for rows in table.networks.values()]
    assert rank_correlations(firsts) == pytest.approx(TAUS, abs=0.06)
    text = card(table, Path("t.parquet"))
    assert f"Seed noise: {100 * noise.sd:.2f} points (standard deviation, 150 networks with repeats)" in text
    assert "conv + linear multiply-accumulates" in text
    assert "Seed noise" not in card(make_table(20), Path("t.parquet"))


def test_saving_leaves_the_old_file_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    save_table(make_table(5, periods=2), path)
    before = path.read_bytes()

    def full_disk(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_table(make_table(7, periods=2), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "tpe"}, "sampler must be random in a recorded study, got tpe in b; a sampler that learns biases the table"),
        ({"stop": "quantile"}, "stop must be none in a recorded study, got quantile in b; a table needs every curve to its end"),
        ({"version": 1}, f"study b must have version {VERSION} to be recorded, got 1; search anew"),
        ({"running": True}, "study must rest to be recorded, got b, which runs; wait for its end, or stop it"),
        ({"flops_high": 31_000_000}, "flops_high must be 30000000 as in a, got 31000000 in b; record them apart"),
        ({"periods": 4}, "recipe.images must be 36000 as in a, got 48000 in b; record them apart"),
        ({"data": replace(make_settings().data, fingerprint="1" * 16)}, f"data.fingerprint must be {'0' * 16} as in a, got {'1' * 16} in b; record them apart"),
    ],
)  # fmt: skip
def test_studies_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    first = write_study(tmp_path / "a", make_table(2, periods=3).recordings, periods=3)
    second = write_study(tmp_path / "b", make_table(2, periods=3).recordings, **{"periods": 3, **changes})
    with pytest.raises(InputError) as refused:
        gather([first, second])
    assert str(refused.value) == message


def test_the_networks_of_a_design_make_a_table_that_is_not_replayed(tmp_path: Path) -> None:
    """The committed walk."""
    table = gather([ROOT / "runs" / "walk-32"])
    assert (len(table.recordings), len(table.networks)) == (160, 128)
    save_table(table, tmp_path / "walk.parquet")
    again = RecordedTable.load(tmp_path / "walk.parquet")
    assert again.recordings == table.recordings
    assert again.settings.build_steps().to_dict() == table.settings.build_steps().to_dict()
    card = (tmp_path / "walk.md").read_text()
    assert "sets of steps, each a network, in 7.125M..7.875M" in card
    assert "`nas steps resnet_32 convnext_32 --data cifar10 --flops 7.5M --steps roadmap" in card
    with pytest.raises(
        InputError, match=r"table must be of random networks to be replayed, got .*; nas steps tells it"
    ):
        run_replay(tmp_path / "walk.parquet", [], [], 1, 10, "flops", 1, None, None)


def test_a_study_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="table must hold a training, got none"):
        gather([write_study(tmp_path / "a", ())])


def spoilt(path: Path, how: str) -> None:
    if how == "torn":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    elif how == "text":
        path.write_text("hello")
    elif how == "format":
        table = parquet.read_table(path)
        papers = json.loads(table.schema.metadata[b"nas"])
        content = json.dumps({**papers, "format": 99}).encode()
        parquet.write_table(table.replace_schema_metadata({b"nas": content}), path)
    elif how == "column":
        table = parquet.read_table(path)
        parquet.write_table(table.drop_columns(["flops"]), path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("torn", "table must be a whole file of `nas record`, got "),
        ("text", "table must be a whole file of `nas record`, got "),
        ("foreign", "table must be a whole file of `nas record`, got "),
        ("column", "table must be a whole file of `nas record`, got "),
        ("format", "{path}: format must be from 1 to 2, got 99; record it again with `nas record`"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_in_one_line(tmp_path: Path, how: str, message: str) -> None:
    path = tmp_path / "t.parquet"
    save_table(make_table(5, periods=2), path)
    spoilt(path, how)
    with pytest.raises(InputError) as refused:
        RecordedTable.load(path)
    assert str(refused.value).startswith(message.format(path=path))
    assert "; record it again with `nas record`" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flops": 0}, "row 1: flops must be positive, got 0; record it again"),
        ({"accuracy": 0.9}, "row 1: accuracy must be the curve's last, "),
        ({"seconds": float("nan")}, "row 1: seconds must not be negative, got nan; record it again"),
        ({"curve": ()}, "row 1: curve must have the recipe's 2 periods, got 0; record it again"),
        ({"curve": (Period(1, 12_000, 1.0, 0.5, 1.0), Period(2, 24_000, 1.0, 1.5, 2.0))}, "row 1: accuracy must be from 0 to 1, got 1.5"),
        ({"arch": {"stages": []}}, "row 1: stages must be 1 to 8, got 0; record it again"),
    ],
)  # fmt: skip
def test_trainings_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    table = make_table(3, periods=2)
    rows = list(table.recordings)
    rows[1] = replace(rows[1], **changes)
    with pytest.raises(InputError) as refused:
        RecordedTable(tuple(rows), table.settings, table.made).check("t")
    assert str(refused.value).startswith(f"t: {message}")


def test_no_table_is_said_with_what_to_do(tmp_path: Path) -> None:
    what = r"table must be a parquet file of `nas record`, or one of ([\w-]+, )*[\w-]+"
    with pytest.raises(InputError, match=rf"{what}, got .*nowhere; check the path"):
        RecordedTable.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=rf"{what}, got exhausting; check the path"):
        RecordedTable.load(Path("exhausting"))


def test_a_table_of_the_package_is_found_by_its_name() -> None:
    assert RecordedTable.load(Path("recorded-30k")) == RecordedTable.load()


def test_the_command(run: Run, tmp_path: Path) -> None:
    table = make_table(5, periods=2)
    write_study(tmp_path / "runs" / "a", table.recordings, periods=2)
    out = tmp_path / "t.parquet"
    code, text, err = run("record", "a", "--runs", tmp_path / "runs", "--out", out)
    assert (code, err) == (
        0,
        "note: nas replay compares samplers on tables of 20 networks or more, and this has 5: record a study with more, "
        f"or replay stopping rules alone: nas replay {out} --sampler random\n",
    )
    assert text.startswith(f"{out}: 5 trainings of 5 networks, ")
    assert len(RecordedTable.load(out).recordings) == 5
    assert isinstance(RecordedTable.load(out).settings, Settings)
    code, text, err = run("replay", out, "--sampler", "random", "--seeds", 1)
    assert (code, "random/quantile" in text) == (0, True), err
    write_study(tmp_path / "runs" / "many", make_table(20, periods=2).recordings, periods=2)
    assert run("record", "many", "--runs", tmp_path / "runs", "--out", tmp_path / "many.parquet")[2] == ""
    code, text, err = run("record", "b", "--runs", tmp_path / "runs")
    assert (code, text) == (2, "")
    assert err.startswith("error: study must be a name under")
