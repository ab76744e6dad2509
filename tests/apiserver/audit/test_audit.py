"""A server that audits: what its events say, and where they go."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.audit import build
from apiserver.audit.logfile import LogFile
from apiserver.audit.webhook import Batching, Webhook
from apiserver.configfile import BadFile
from apiserver.options import Options
from pocketkube.client.config import ClientConfig
from tests.apiserver.audit.test_policy import write
from tests.apiserver.server import Client, eventually, pod, running

MAPS = "/api/v1/namespaces/default/configmaps"

Event = dict[str, Any]


@asynccontextmanager
async def audited(folder: Path, *rules: dict[str, Any], **more: Any) -> AsyncIterator[tuple[Client, Path]]:
    log = folder / "audit.log"
    flags: dict[str, Any] = {
        "audit_policy_file": write(folder / "policy.yaml", *rules, **more),
        "audit_log_path": str(log),
    }
    async with running(folder, **flags) as client:
        yield client, log


def read(log: Path) -> list[Event]:
    return [orjson.loads(line) for line in log.read_bytes().splitlines()]


def config_map(name: str, **data: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_metadata(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata"}) as (client, log):
        answer = await client("POST", f"{MAPS}?dryRun=All", config_map("a"), audit_id="my-id", user_agent="me/1")
        assert answer.headers["audit-id"] == "my-id"
        received, complete = read(log)[-2:]
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert "objectRef" in received
    assert complete["user"] == {"username": "admin", "uid": "1", "groups": ["system:masters", "system:authenticated"]}
    assert complete["requestURI"] == f"{MAPS}?dryRun=All"
    assert complete["objectRef"] == {
        "resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1",
    }  # fmt: skip
    assert complete["responseStatus"] == {"metadata": {}, "code": 201}
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert (complete["auditID"], complete["userAgent"], complete["sourceIPs"]) == ("my-id", "me/1", ["127.0.0.1"])
    assert complete["kind"] == "Event"
    assert complete["apiVersion"] == "audit.k8s.io/v1"
    assert complete["stageTimestamp"] >= complete["requestReceivedTimestamp"]
    assert "requestObject" not in complete


async def test_objects_by_level(tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {"level": "RequestResponse", "resources": [{"resources": ["configmaps"]}], "omitManagedFields": True},
        {"level": "Request", "resources": [{"resources": ["secrets"]}]},
        {"level": "None"},
    ]
    async with audited(tmp_path, *rules, omitStages=["RequestReceived"]) as (client, log):
        await client.ok("POST", MAPS, config_map("a", k="v"))
        patch = {"data": {"k": "w"}}
        await client.ok("PATCH", f"{MAPS}/a", patch, media="application/merge-patch+json")
        await client.ok("DELETE", f"{MAPS}/a")
        await client("GET", f"{MAPS}/a")
        await client.apply("/api/v1/namespaces/default/secrets/s", {**config_map("s"), "kind": "Secret"})
        await client.ok("GET", "/api/v1/namespaces")
        created, patched, deleted, missing, applied = [e for e in read(log) if e["user"]["username"] == "admin"]
    assert created["requestObject"]["data"] == {"k": "v"}
    assert created["responseObject"]["metadata"]["uid"]
    assert "managedFields" not in created["responseObject"]["metadata"]
    assert patched["requestObject"] == patch
    assert patched["responseObject"]["data"] == {"k": "w"}
    assert deleted["responseStatus"]["status"] == "Success"
    assert missing["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": 'configmaps "a" not found', "reason": "NotFound",
        "details": {"name": "a", "kind": "configmaps"}, "code": 404,
    }  # fmt: skip
    assert missing["responseObject"]["kind"] == "Status"
    assert applied["requestObject"]["kind"] == "Secret"
    assert "responseObject" not in applied


async def test_who_was_refused(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata"}) as (client, log):
        assert (await client.acting_as("nobody-knows-it")("GET", MAPS)).status == 401
        assert (await client.acting_as("user-token")("GET", MAPS)).status == 403
        await client("GET", MAPS, impersonate_user="bob")
        events = read(log)
    unknown, _, forbidden, _, impersonated = events[-5:]
    assert (unknown["stage"], unknown["responseStatus"]["code"], unknown["user"]) == ("ResponseStarted", 401, {})
    assert forbidden["responseStatus"]["code"] == 403
    assert forbidden["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert (impersonated["user"]["username"], impersonated["impersonatedUser"]["username"]) == ("admin", "bob")


async def test_a_watch_has_a_start_and_an_end(tmp_path: Path) -> None:
    rule = {"level": "Metadata", "verbs": ["watch"], "resources": [{"resources": ["configmaps"]}]}
    async with audited(tmp_path, rule) as (client, log):
        async with client.watch(f"{MAPS}?watch=1"):
            assert [event["stage"] for event in read(log)] == ["RequestReceived", "ResponseStarted"]
        assert [event["stage"] for event in read(log)][2:] == ["ResponseComplete"]
        assert len({event["auditID"] for event in read(log)}) == 1


async def test_what_is_no_resource(tmp_path: Path) -> None:
    rules = {"level": "Metadata", "nonResourceURLs": ["/version", "/metrics*"]}
    async with audited(tmp_path, rules, omitStages=["RequestReceived"]) as (client, log):
        answer = await client("GET", "/version")
        assert answer.headers["audit-id"]
        await client("GET", "/readyz")
        (event,) = read(log)
    assert (event["verb"], event["requestURI"], event["responseStatus"]["code"]) == ("get", "/version", 200)
    assert "objectRef" not in event


async def test_annotations_of_admission(tmp_path: Path) -> None:
    rules = {"level": "Metadata", "resources": [{"resources": ["pods"]}]}
    async with audited(tmp_path, rules, omitStages=["RequestReceived"]) as (client, log):
        labels = {"pod-security.kubernetes.io/audit": "restricted"}
        await client.ok(
            "PATCH",
            "/api/v1/namespaces/default",
            {"metadata": {"labels": labels}},
            media="application/merge-patch+json",
        )
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        await client.ok("GET", "/api/v1/namespaces/default")  # the cache has come to it
        await client.ok("POST", "/api/v1/namespaces/default/pods", pod())
        (event,) = read(log)
    assert "would violate PodSecurity" in event["annotations"]["pod-security.kubernetes.io/audit-violations"]


def test_rotation(tmp_path: Path) -> None:
    seconds = iter(range(1_000_000_000, 2_000_000_000))
    log = LogFile(str(tmp_path / "audit.log"), megabytes=1, backups=2, now=lambda: next(seconds))
    line = b"x" * 299_999 + b"\n"
    for _ in range(16):
        log.write(line)
    log.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert len(sizes) == 3
    assert sizes["audit.log"] == 300_000
    assert all(size == 900_000 for name, size in sizes.items() if name != "audit.log")


def test_two_processes_and_one_file(tmp_path: Path) -> None:
    """As worker processes do: nothing is lost while either rotates."""
    at = [0.0]

    def now() -> float:
        at[0] += 10
        return at[0]

    logs = [LogFile(str(tmp_path / "audit.log"), megabytes=1, now=now) for _ in range(2)]
    for number in range(60):
        logs[number % 2].write(b"%06d" % number + b"x" * 99_993 + b"\n")
    for log in logs:
        log.close()
    lines = [line[:6] for path in tmp_path.iterdir() for line in path.read_bytes().splitlines()]
    assert sorted(lines) == [b"%06d" % number for number in range(60)]


async def test_the_webhook_gets_batches() -> None:
    got: list[Any] = []
    taken = asyncio.Event()
    codes = iter((500, 200, 200))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if b"content-length" in line).split(b":")[1])
        body = json.loads(await reader.readexactly(length))
        code = next(codes)
        if code == 200:
            got.append(body)
            taken.set()
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % code)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/audit"
    webhook = Webhook(ClientConfig(server=address), Batching(wait=60, size=2, kept=3, backoff=0.001))
    for number in range(4):
        webhook.write(b'{"n":%d}' % number)
    assert webhook.dropped == 1, "the queue holds three"
    task = asyncio.create_task(webhook.run())
    async with asyncio.timeout(10):
        await taken.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    assert [[item["n"] for item in batch["items"]] for batch in got] == [[0, 1], [2]]
    assert (got[0]["kind"], got[0]["apiVersion"]) == ("EventList", "audit.k8s.io/v1")


async def test_what_cannot_be_sent_in_time_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """At the end: a batch that is on its way and one that waits behind it."""
    asked = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/audit"
    webhook = Webhook(ClientConfig(server=address), Batching(wait=60, size=2))
    for number in range(3):
        webhook.write(b'{"n":%d}' % number)
    task = asyncio.create_task(webhook.run())
    async with asyncio.timeout(10):
        await asked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    assert webhook.dropped == 3
    assert "3 audit events could not be sent before the end" in caplog.text


async def test_an_old_batch_goes_out_before_it_is_full() -> None:
    got = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.set()
        writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/audit"
    webhook = Webhook(ClientConfig(server=address), Batching(wait=0.01, size=400))
    webhook.write(b"{}")
    task = asyncio.create_task(webhook.run())
    async with asyncio.timeout(10):
        await got.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()


def test_a_bad_policy_ends_the_server_with_one_line(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.yaml", {"level": "Everything"})
    flags = ["--tls-cert-file=x", "--tls-private-key-file=y", f"--audit-policy-file={policy}", "--audit-log-path=-"]
    done = subprocess.run(
        [sys.executable, "-m", "apiserver", *flags], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert 'rules[0].level: Unsupported value: "Everything"' in done.stderr


@pytest.mark.parametrize("flag", ["audit_log_path", "audit_policy_file"])
async def test_half_of_it_is_off(tmp_path: Path, flag: str) -> None:
    value = write(tmp_path / "p", {"level": "Metadata"}) if "policy" in flag else str(tmp_path / "log")
    flags: dict[str, Any] = {flag: value}
    async with running(tmp_path, **flags) as client:
        assert client.server.api.auditor is None


@pytest.mark.parametrize(("mode", "code"), [("blocking", 200), ("batch", 200), ("blocking-strict", 500)])
async def test_a_disk_that_is_full(tmp_path: Path, mode: str, code: int) -> None:
    policy = write(tmp_path / "policy.yaml", {"level": "Metadata"})
    flags: dict[str, Any] = {"audit_policy_file": policy, "audit_log_path": "/dev/full", "audit_log_mode": mode}
    async with running(tmp_path, **flags) as client:
        answer = await client("GET", MAPS)
    assert answer.status == code
    assert (b"failed to store audit event" in answer.body) is (code == 500)


async def test_events_of_a_moment_are_written_together(tmp_path: Path) -> None:
    policy, path = write(tmp_path / "policy.yaml", {"level": "Metadata"}), tmp_path / "audit.log"
    flags: dict[str, Any] = {"audit_policy_file": policy, "audit_log_path": str(path), "audit_log_mode": "batch"}
    async with running(tmp_path, **flags) as client:
        for _ in range(3):
            await client.ok("GET", MAPS)

        async def written() -> bool:
            return len(path.read_bytes().splitlines()) == 6

        await eventually(written)


async def test_no_such_mode(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="supported values: batch, blocking, blocking-strict"):
        build(Options(audit_log_mode="never"))
