"""Keys that lie with a key management service: upstream's forms, keys that change, and services that come and go."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.configfile import BadFile
from apiserver.options import Options
from apiserver.storage.encryption import EncryptedStore, Measures, Settings, Upkeep, load
from apiserver.storage.encryption.ciphers import AesCbc, CannotOpen
from apiserver.storage.encryption.kms import messages
from apiserver.storage.encryption.kms.messages import Source
from apiserver.storage.encryption.kms.service import socket_path
from apiserver.storage.interface import CannotTransform
from apiserver.storage.memory import MemoryStore
from pocketkube.base.clock import FakeClock
from pocketkube.base.protobuf import fields
from tests.apiserver.server import eventually, running
from tests.apiserver.storage.kms_plugin import Plugin, serving
from tests.apiserver.storage.test_encryption import IDENTITY, SECRETS, raw, secret, write

KEY = "/registry/secrets/default/s"
V2 = b"k8s:enc:kms:v2:vault:"


@pytest.fixture
def socket(tmp_path: Path) -> str:
    return str(tmp_path / "kms.sock")


@pytest.fixture
async def plugin(socket: str) -> AsyncIterator[Plugin]:
    async with serving(Plugin(), socket) as plugin:
        yield plugin


def kms(socket: str, **more: Any) -> dict[str, Any]:
    return {"kms": {"apiVersion": "v2", "name": "vault", "endpoint": f"unix://{socket}", "timeout": "1s", **more}}


def settings_with(**more: Any) -> Settings:
    return Settings(Measures(), **{"clock": FakeClock(), "allow_v1": True, **more})


def store_of(
    tmp_path: Path, *providers: dict[str, Any], inner: MemoryStore | None = None, **more: Any
) -> EncryptedStore:
    given = settings_with(**more)
    return EncryptedStore(inner or MemoryStore(), load(write(tmp_path / "e", providers), given), given.measures)


async def stored(store: EncryptedStore, key: str = KEY) -> bytes:
    found = await store._inner.get(key)
    assert found is not None
    return found.value


async def test_the_form_of_version_2(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    """An EncryptedObject by field number; the value's key by HKDF out of the seed that only the service opens."""
    store = store_of(tmp_path, kms(socket))
    await store.create(KEY, b"hidden")
    value = await stored(store)
    assert value.startswith(V2)
    found = dict(fields(value[len(V2) :]))
    assert found[2] == b"1"
    assert found[5] == 1, "the source is a seed"
    assert dict(fields(found[4])) == {1: b"version.encryption.remote.io", 2: b"1"}
    seed = plugin._opened(found[3], "1")
    info, nonce, sealed = found[1][:32], found[1][32:44], found[1][44:]
    key = hmac.new(seed, info + b"\1", hashlib.sha256).digest()
    assert AESGCM(key).decrypt(nonce, sealed, KEY.encode()) == b"hidden"
    assert (await store.get(KEY) or pytest.fail()).value == b"hidden"
    assert plugin.calls == ["Status", "Encrypt"], "what this server sealed it opens without asking"
    await store.close()


async def test_what_another_server_stored(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    """Also by a key instead of a seed, as upstream's first releases of version 2 did."""
    one, inner = store_of(tmp_path, kms(socket)), MemoryStore()
    other = store_of(tmp_path, kms(socket), inner=inner)
    await one.create(KEY, b"hidden")
    await inner.create(KEY, await stored(one))
    secret_key, nonce = bytes(range(32)), bytes(12)
    source = Source(plugin._sealed(secret_key), "1", (), messages.AES_GCM_KEY)
    sealed = nonce + AESGCM(secret_key).encrypt(nonce, b"older", f"{KEY}2".encode())
    await inner.create(f"{KEY}2", V2 + messages.stored(source, sealed))
    page = await asyncio.gather(*(other.list("/registry/secrets/") for _ in range(5)))
    assert [item.value for item in page[0].items] == [b"hidden", b"older"]
    assert plugin.calls.count("Decrypt") == 2, "each source is opened once"
    await other.get(KEY)
    assert not other.stale(KEY) or other.encryption.services[0].form == b"", "not asked yet"
    await other.encryption.check()
    assert not other.stale(KEY)
    assert other.stale(f"{KEY}2"), "upstream writes it again as well"
    await one.close()
    await other.close()


async def test_rotation(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    clock = FakeClock()
    store = store_of(tmp_path, kms(socket), clock=clock)
    await store.create(KEY, b"hidden")
    first = await stored(store)
    plugin.key_id = "2"
    assert await store.encryption.check() == ""
    assert not store.stale(KEY), "the answer of the last check still holds"
    clock.advance(21)
    assert await store.encryption.check() == ""
    assert store.stale(KEY)
    found = await store.get(KEY)
    assert found is not None and found.value == b"hidden"
    await store.update(KEY, b"hidden", revision=found.revision)
    assert not store.stale(KEY)
    assert dict(fields((await stored(store))[len(V2) :]))[2] == b"2"
    assert dict(fields(first[len(V2) :]))[2] == b"1"
    await store.close()


async def test_a_seed_expires_while_the_service_is_silent(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    clock = FakeClock()
    store = store_of(tmp_path, kms(socket), clock=clock)
    await store.create(KEY, b"hidden")
    plugin.healthz = "sealed"
    clock.advance(170)
    assert "got unexpected healthz status: sealed" in await store.encryption.check()
    clock.advance(170)  # its key id was good, though: the seed is good for longer
    await store.create(f"{KEY}1", b"hidden")
    clock.advance(11)
    with pytest.raises(CannotTransform, match=r'encryptedDEKSource with keyID hash "sha256:\w+" expired at 2026-'):
        await store.create(f"{KEY}2", b"hidden")
    assert (await store.get(KEY) or pytest.fail()).value == b"hidden"
    await store.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "", id="good"),
        pytest.param({"version": "v2beta1"}, "", id="beta"),
        pytest.param({"version": "v3"}, "error: expected KMSv2 API version v2, got v3", id="version"),
        pytest.param({"healthz": "broken"}, "error: got unexpected healthz status: broken", id="healthz"),
        pytest.param({"status_key_id": ""}, 'got invalid KMSv2 KeyID hash "": keyID is empty', id="no key id"),
        pytest.param(
            {"status_key_id": "k" * 1025}, "keyID is 1025 bytes, which exceeds the max size of 1024", id="long"
        ),
        pytest.param({"status_key_id": "2"}, "failed to rotate DEK: statusKeyIDHash=", id="another key"),
        pytest.param({"annotations": {"short": b""}}, "should be a domain with at least two segments", id="annotation"),
        pytest.param({"annotations": {"a.b": bytes(33_000)}}, "exceeds the max size of 32768", id="annotations"),
        pytest.param({"seconds": 9.0}, "status section of the healthz check for KMS Provider vault", id="slow"),
    ],
)
async def test_health(plugin: Plugin, tmp_path: Path, socket: str, changes: dict[str, Any], words: str) -> None:
    vars(plugin).update(changes)
    store = store_of(tmp_path, kms(socket, timeout="100ms" if "seconds" in changes else "5s"))
    why = await store.encryption.check()
    assert (words in why) if words else why == ""
    assert not words or why.startswith("kms-provider-0: ")
    await store.close()


async def test_a_service_that_comes_late(tmp_path: Path, socket: str) -> None:
    """Writes fail as long as it is away, then do not; whoever reads knows why."""
    store = store_of(tmp_path, kms(socket, timeout="1500ms"), IDENTITY)
    async with running(tmp_path, store) as client:
        answer = await client("POST", SECRETS, secret("s"))
        assert answer.status == 500
        assert "Internal error occurred: failed to perform status section" in answer.message
        assert (await client("GET", "/healthz/kms-providers")).status == 500
        assert b"[-]kms-providers failed" in (await client("GET", "/readyz")).body
        async with serving(Plugin(), socket):
            store.encryption.services[0].clock.advance(4)  # type: ignore[attr-defined]
            await client.ok("POST", SECRETS, secret("s"))
            assert (await client("GET", "/healthz/kms-providers")).body == b"ok"
            assert (await client.ok("GET", f"{SECRETS}/s"))["data"]
    inner = store._inner
    assert isinstance(inner, MemoryStore)
    assert (await raw(inner, "s")).startswith(V2)
    await store.close()


async def test_a_change_is_missed_until_the_service_answers(tmp_path: Path, socket: str) -> None:
    """Another server writes while this one cannot open it: other resources go on, and in the end all is there."""
    inner = MemoryStore()
    async with serving(Plugin(), socket):
        writer = store_of(tmp_path, kms(socket, timeout="1500ms"), IDENTITY, inner=inner)
        await writer.create(KEY, b"one")
    reader = store_of(tmp_path, kms(socket, timeout="1500ms"), IDENTITY, inner=inner)
    with pytest.raises(
        CannotTransform, match=r"unable to transform key .* failed to decrypt DEK, error: rpc error: code ="
    ):
        await reader.list("/registry/secrets/")
    stream = reader.watch("/registry/", after=0)
    first = await anext(stream)
    assert first.changes[0].value.startswith(V2)
    await inner.create("/registry/pods/default/p", b"{}")
    assert (await anext(stream)).changes[0].value == b"{}"
    async with serving(Plugin(), socket):
        reader.encryption.services[0].clock.advance(4)  # type: ignore[attr-defined]
        assert await reader.encryption.check() == ""
        await inner.create("/registry/pods/default/q", b"{}")
        with pytest.raises(Exception, match="answers again"):
            await anext(stream)
        assert [item.value for item in (await reader.list("/registry/secrets/")).items] == [b"one"]
    await reader.close()


async def test_version_1(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    store = store_of(tmp_path, kms(socket, apiVersion="v1"))
    await store.create(KEY, b"hidden")
    value = await stored(store)
    prefix = b"k8s:enc:kms:v1:vault:"
    assert value.startswith(prefix)
    at = len(prefix) + 2
    size = int.from_bytes(value[at - 2 : at], "big")
    key = plugin._opened(value[at : at + size], "1")
    sealed = value[at + size :]
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], KEY.encode()) == b"hidden"
    older = prefix + value[at - 2 : at + size] + AesCbc(key).seal(b"older", b"")
    await store._inner.create(f"{KEY}2", older)
    assert (await store.get(f"{KEY}2") or pytest.fail()).value == b"older"
    assert store.stale(f"{KEY}2")
    assert not store.stale(KEY)
    assert await store.encryption.check() == ""
    assert plugin.calls == ["Version", "Encrypt", "Encrypt", "Decrypt"]
    assert list(store.health_checks()) == ["kms-provider-0"]
    await store.close()


async def test_version_1_is_off(tmp_path: Path, socket: str) -> None:
    path = write(tmp_path / "e", [kms(socket, apiVersion="v1")])
    with pytest.raises(BadFile, match="--feature-gates=KMSv1=true"):
        load(path)
    assert Options(feature_gates=("KMSv1=true", "Other=false")).feature("KMSv1")
    assert not Options().feature("KMSv1")


async def test_metrics(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    store = store_of(tmp_path, kms(socket))
    async with running(tmp_path, store) as client:
        await client.ok("POST", SECRETS, secret("s"))
        shown = (await client("GET", "/metrics")).body.decode()
    key = f'key_id_hash="sha256:{hashlib.sha256(b"1").hexdigest()}",provider_name="vault"'
    for line in (
        f'{key},transformation_type="to_storage"}} 1.0',
        'apiserver_envelope_encryption_dek_source_cache_size{provider_name="vault"} 1.0',
        'kms_operations_latency_seconds_count{grpc_status_code="OK",method_name="/v2.KeyManagementService/Status"',
        "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{apiserver_id_hash",
        'transformation_operations_total{status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:kms:v2:vault:"}',
        "apiserver_storage_data_key_generation_duration_seconds_count 1.0",
    ):
        assert line in shown
    await store.close()


async def test_reload(plugin: Plugin, tmp_path: Path, socket: str) -> None:
    """A new file is taken over once its services answer; meanwhile, and where they never do, the old one holds."""
    path = write(tmp_path / "e", [IDENTITY])
    given = settings_with(reload=True)
    assert isinstance(given.clock, FakeClock)
    clock = given.clock
    store = EncryptedStore(MemoryStore(), load(path, given), given.measures)
    before = store.encryption
    task = asyncio.create_task(Upkeep(store, path, given).run())

    async def told(outcome: str) -> bool:
        clock.advance(1)
        await asyncio.sleep(0)
        return outcome in given.measures._reloads

    async def following() -> bool:
        return clock.sleepers > 0

    try:
        await eventually(following)
        write(Path(path), [kms(f"{socket}.none", timeout="20ms")])
        await eventually(lambda: told("failure"))
        assert store.encryption is before
        assert list(store.health_checks()) == ["kms-providers"]
        write(Path(path), [kms(socket), IDENTITY])
        await eventually(lambda: told("success"))
        assert await store.encryption.check() == "", "however far the clock has gone meanwhile"
        await store.create(KEY, b"x")
        assert (await stored(store)).startswith(V2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


@settings(max_examples=60)
@given(st.binary(max_size=80))
def test_hostile_values(data: bytes) -> None:
    with suppress(CannotOpen):
        messages.read_stored(data)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        pytest.param("unix:///run/kms.sock", "/run/kms.sock", id="file"),
        pytest.param("unix:///@kms", "\0kms", id="abstract"),
    ],
)
def test_endpoints(endpoint: str, path: str) -> None:
    assert socket_path(endpoint) == path
