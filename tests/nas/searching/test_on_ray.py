"""Workers on a Ray cluster of three nodes on this machine, one of which is killed while it trains."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.records.settings import FILE, Server, Settings
from nas.records.trial import Trial
from nas.searching.on_ray import Assignment, Remote, Share, cluster, folder_here
from space import InputError
from tests.nas.commands import Command, check_whole, wait_until
from tests.nas.conftest import Run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def three_nodes(only_cluster: None) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # else its workers wait for whatever else runs
    found = Cluster()
    found.add_node(num_cpus=0, include_dashboard=False)  # the head trains nothing
    for name in ("one", "two"):
        found.add_node(num_cpus=1, resources={name: 1})
    yield found
    found.shutdown()  # type: ignore[no-untyped-call]


def node_of(three_nodes: Any, trial: Trial) -> Any:
    """The node on which a trial is trained: the one whose raylet started the process."""
    assert trial.owner
    status = Path(f"/proc/{trial.owner.rpartition(':')[2]}/stat").read_text()
    parent = int(status.rpartition(")")[2].split()[1])
    (found,) = [
        node for node in three_nodes.worker_nodes
        if parent in [each.process.pid for each in node.all_processes["raylet"]]
    ]  # fmt: skip
    return found


def test_a_node_is_lost_and_nothing_but_its_trial_and_after_ctrl_c_the_search_goes_on_here(
    command: Command, three_nodes: Any, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.yaml"
    slow.write_text("epochs: 8\ntrain_images: 1079\n")
    command.words[command.words.index("--recipe") + 1] = str(slow)
    process = command.search("--trials", 200, "--on", "ray", "--workers", 2, RAY_ADDRESS=three_nodes.address)
    training: list[Trial] = []

    def one_trains() -> bool:
        training[:] = [trial for trial in command.trials() if trial.state == "running" and trial.periods]
        return bool(training)

    wait_until(one_trains, process)
    three_nodes.remove_node(node_of(three_nodes, training[0]), allow_graceful=False)
    wait_until(lambda: [t for t in command.trials() if t.state == "interrupted"], process)
    three_nodes.add_node(num_cpus=1, resources={"three": 1})
    wait_until(lambda: "; Ray started it again on " in process.said(), process)
    lost = command.trials()[training[0].number]

    def trained_again() -> bool:
        done = [trial for trial in command.ended() if trial.number != lost.number]
        return (lost.key, lost.seed) in [(trial.key, trial.seed) for trial in done]

    wait_until(trained_again, process)
    process.send_signal(2)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "stopped; to go on: nas search" in errors
    assert "its process ended; its network is queued again" in errors
    assert "Traceback" not in errors
    assert lost.state == "interrupted"
    assert not [trial for trial in command.trials() if trial.state == "running"]
    total = len(command.ended()) + 1
    again = command.search("--trials", total)
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    check_whole(command, total)


def test_what_a_worker_refuses_is_one_error(
    command: Command, three_nodes: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", three_nodes.address)
    monkeypatch.setattr("nas.storage.study_folder.code", lambda: "another")  # here, not in the actor
    code, _, errors = run(*command.words, "--trials", 3, "--on", "ray", "--workers", 1)
    assert code == 2
    assert errors.count("error: ") == 1, errors
    assert "error: code must be the same as that of s's other workers, another, got " in errors


def test_a_cluster_that_is_not_there_is_refused(command: Command, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "1")
    with pytest.raises(InputError, match="on must be ray or ray://host:port, got slurm; correct it"), cluster("slurm"):
        pass


def test_shares() -> None:
    assert Share().fit(8, 0) == 8
    assert Share(2, 0.25).fit(16, 1) == 4
    assert Share(2, 0.25).fit(4, 1) == 2
    assert Share(1, 1).fit(8, 0) == 1, "it waits for a GPU to come"


def test_a_machine_that_does_not_see_the_folder_needs_a_server_and_a_store(
    tmp_path: Path, command: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*command.words, "--trials", 1)[0] == 0
    settings = Settings.read(command.folder)

    def assignment(folder: Path, settings: Settings) -> Assignment:
        return Assignment(str(folder), settings, "digits", "cpu", 0, 1, {})

    assert folder_here(assignment(command.folder, settings)) == command.folder
    nowhere = tmp_path / "not" / "here"
    with pytest.raises(InputError, match=r"study must be in a folder that every machine sees, got .*/not/here, which"):
        folder_here(assignment(nowhere, settings))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "other machine"))
    everywhere = replace(settings, server=Server(url="postgresql://host/base", study="s-1"), artifacts="s3://bucket")
    own = folder_here(assignment(nowhere, everywhere))
    assert own.is_relative_to(tmp_path / "other machine")
    assert replace(Settings.read(own), name=settings.name, command=settings.command) == everywhere
    assert (own / FILE).exists()
    (tmp_path / "other machine" / f"nas-{os.getuid()}").chmod(0o777)
    with pytest.raises(InputError, match="must be a folder that only this user writes, got another's; remove it, or"):
        folder_here(assignment(nowhere, everywhere))


def test_a_worker_that_was_begun_anew_is_asked_to_stop_again(monkeypatch: pytest.MonkeyPatch) -> None:
    place, told = [("one", 1)], list[int]()

    class Call:
        def __init__(self, answer: Callable[[], Any]) -> None:
            self.remote = answer

        def options(self, max_task_retries: int) -> SimpleNamespace:
            return SimpleNamespace(remote=lambda assignment: None)

    actor = SimpleNamespace(
        work=Call(lambda: None), where=Call(lambda: place[0]), stop=Call(lambda: told.append(place[0][1]))
    )
    ray = SimpleNamespace(
        wait=lambda refs, timeout: (refs, []), get=lambda ref: ref, exceptions=SimpleNamespace(RayError=OSError)
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    worker = Remote(0, actor, Assignment("s", Settings.read(ROOT / "runs" / "cifar10"), "digits", "cpu", 0, 1, {}))
    assert worker.notes() == []
    worker.stop()
    place[0] = ("two", 2)
    assert worker.notes() == []
    assert worker.notes() == ["worker 0 was lost on one; Ray started it again on two as process 2"]
    assert told == [1, 2]
