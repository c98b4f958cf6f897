"""A search on a PostgreSQL server, an S3 store and a Ray cluster, all real and on this machine, all by default."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nas.storage.reader import Reader
from tests.documented.conftest import write_images
from tests.documented.place import Place, check
from tests.documented.table import CHAINS, Row
from tests.nas.postgres import BINARIES, SECRET, started

CHAIN = "machines"
pytestmark = pytest.mark.skipif(
    not BINARIES or os.geteuid() != 0, reason="needs PostgreSQL's server, and root to start it as another user"
)


@pytest.fixture(scope="module", autouse=True)
def servers(place: Place, only_cluster: None) -> Iterator[None]:
    import boto3
    from moto.server import ThreadedMotoServer

    write_images(place.folder / "images")
    store = ThreadedMotoServer(port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    place.values["store"] = endpoint = f"http://{host}:{port}"
    place.environment |= {"AWS_DEFAULT_REGION": "us-east-1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="me", aws_secret_access_key="secret", region_name="us-east-1"
    ).create_bucket(Bucket="nets")
    with started() as server:
        place.values |= {"storage": server.url(""), "password": SECRET}
        yield
    store.stop()


@pytest.mark.parametrize("row", CHAINS[CHAIN], ids=lambda row: row.typed)
def test_a_command(place: Place, row: Row) -> None:
    check(row, place.reach(row))


def test_the_rule_judged_on_ray(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.reach(place.rows[-1])
    monkeypatch.setenv("PGPASSWORD", SECRET)
    monkeypatch.setenv("NAS_STORAGE", place.values["storage"])
    reader = Reader(place.folder / "runs/everywhere")
    assert (reader.settings.sampler, reader.settings.stop) == ("ehvi", "quantile")
    assert len(reader.trials()) >= 10
