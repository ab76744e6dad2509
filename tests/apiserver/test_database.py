"""Flags about etcd: clusters side by side in one etcd, and what cannot be done is refused in one line."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from apiserver import database
from apiserver.configfile import BadFile
from apiserver.options import Options, parse
from apiserver.storage.etcd import EtcdStore
from bench.connection import Connection
from tests.apiserver.robustness.processes import ApiServer
from tests.apiserver.server import config_map
from tests.certificates import Pki
from tests.conftest import Etcd

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.integration
async def test_two_clusters_in_one_etcd(tmp_path: Path, etcd: Etcd, pki: Pki) -> None:
    servers = [ApiServer(tmp_path, [etcd.endpoint], pki, more=more) for more in ([], ["--etcd-prefix=two/deep"])]
    store = EtcdStore([etcd.endpoint])
    try:
        for number, server in enumerate(servers):
            await server.start()
            connection = await Connection(server.target).open()
            assert (await connection.ask("POST", MAPS, orjson.dumps(config_map(f"m{number}")))).status == 201
            found = (await connection.ask("GET", MAPS)).json()["items"]
            assert [item["metadata"]["name"] for item in found] == [f"m{number}"]
            measured = (await connection.ask("GET", "/metrics")).body.decode()
            assert 'etcd_request_duration_seconds_count{group="",operation="create",resource="configmaps"' in measured
            connection.close()
        assert [item.key for item in (await store.list("/registry/configmaps/default/")).items] == [
            "/registry/configmaps/default/m0"
        ]
        assert await store.get("/two/deep/configmaps/default/m1")
    finally:
        await store.close()
        for server in servers:
            await asyncio.to_thread(server.stop)


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("--storage-media-type=application/vnd.kubernetes.protobuf", "objects are stored as application/json"),
        ("--storage-backend=sqlite", "etcd3 is"),
        ("--etcd-servers-overrides=/events#http://127.0.0.1:4002", "all resources are kept by --etcd-servers"),
        ("--etcd-compaction-interval=often", 'time: invalid duration "often"'),
        ("--etcd-compaction-interval=-5m", "must not be negative"),
    ],
    ids=lambda text: text.partition("=")[0],
)
def test_what_cannot_be_done_is_refused(flag: str, why: str) -> None:
    with pytest.raises(BadFile) as refused:
        database.check(parse([flag]))
    assert why in str(refused.value) and str(refused.value).startswith(flag.partition("=")[0])


async def test_a_refusal_is_one_line(pki: Pki) -> None:
    command = [
        sys.executable,
        "-m",
        "apiserver",
        f"--tls-cert-file={pki.server}",
        f"--tls-private-key-file={pki.server_key}",
    ]
    refused = [*command, "--etcd-servers-overrides=/events#http://127.0.0.1:4002"]
    ended = await asyncio.to_thread(subprocess.run, refused, capture_output=True, timeout=600, check=False, text=True)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "--etcd-servers-overrides is not supported" in ended.stderr


async def test_compaction_may_be_left_to_others() -> None:
    made = database.Database(Options(etcd_compaction_interval="0"))
    assert made.compactor() is None and database.Database(Options()).compactor() is not None
