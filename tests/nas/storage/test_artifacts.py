"""Curves and weights in an S3 store: a real client, against a server of the tests that speaks S3."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from nas.records.settings import ARTIFACTS, Settings
from nas.records.trial import CURVE, WEIGHTS
from nas.storage.artifacts import parse_artifacts
from nas.storage.reader import Reader
from space import InputError
from tests.brief import measure_briefly
from tests.forked import fork_what_is_started
from tests.nas.commands import Command, check_whole
from tests.nas.conftest import Run

SECRET = "s3cret-key-of-the-tests"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="files")
    return "s3://files/some/where"


def keys() -> set[str]:
    import boto3

    return {each["Key"] for each in boto3.client("s3").list_objects_v2(Bucket="files").get("Contents", [])}


def test_a_study_keeps_its_files_in_a_store_and_reads_them_from_anywhere(
    command: Command, bucket: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, errors = run(*command.words, "--trials", 4, "--artifacts", bucket + "/")
    assert code == 0, errors
    assert Settings.read(command.folder).artifacts == bucket
    reader = Reader(command.folder)
    front = {row for row in range(4) if reader.artifact(row, WEIGHTS)}
    assert front, "weights of the front alone"
    assert len(keys()) == 4 + len(front)
    assert all(key.startswith("some/where/") for key in keys())
    shutil.rmtree(command.folder / ARTIFACTS)
    assert all(len(Reader(command.folder).curve(number)) == 2 for number in range(4)), "another machine has no copies"
    assert [path for path in command.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []
    assert run(*command.words, "--trials", 5)[0] == 0
    check_whole(command, 5)
    fork_what_is_started(monkeypatch.setattr)
    measure_briefly(monkeypatch.setattr)
    out = command.runs / "out"
    assert run("export", "s", "--runs", command.runs, "--out", out, "--device", "cpu")[0] == 0
    assert (out / "model.safetensors").exists()


def test_a_store_that_does_not_answer_is_one_error(
    command: Command, bucket: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*command.words, "--trials", 1, "--artifacts", bucket)[0] == 0
    code, _, errors = run(*command.words, "--trials", 2, "--artifacts", "s3://other")
    assert code == 2
    assert f"error: artifacts must be {bucket} to resume s, got s3://other; " in errors
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("nas.storage.artifacts.TRIES", 1)
    code, _, errors = run(*command.words, "--trials", 2)
    assert code == 2
    (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: artifacts must be in a store that answers, got {bucket} (Could not connect to ")
    assert Reader(command.folder).artifact(0, CURVE), "the copy of what was read once"
    shutil.rmtree(command.folder / ARTIFACTS)
    with pytest.raises(InputError, match="artifacts must be in a store that answers"):
        Reader(command.folder).artifact(0, CURVE)


@pytest.mark.parametrize("url", ["bucket", "s3://", "http://host/bucket", f"s3://me:{SECRET}@bucket/x", "s3://b?x=y"])
def test_other_stores_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="artifacts must be s3://bucket/prefix, got ") as error:
        parse_artifacts(url)
    assert SECRET not in str(error.value)
