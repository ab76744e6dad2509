"""Encryption at rest: upstream's forms, keys that rotate, and nothing in plain in etcd."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.app import encrypted
from apiserver.configfile import BadFile
from apiserver.options import Options
from apiserver.storage.encryption import EncryptedStore, Measures, Settings, Upkeep, load
from apiserver.storage.encryption.ciphers import AesCbc, AesGcm, CannotOpen, Cipher, DerivedGcm, SecretBox
from apiserver.storage.etcd import EtcdStore
from apiserver.storage.memory import MemoryStore
from pocketkube.base.clock import FakeClock
from tests.apiserver.server import Client, eventually, running
from tests.conftest import Etcd

KEY = b"/registry/secrets/default/s"
CIPHERS: list[Cipher] = [AesGcm(bytes(range(32))), AesCbc(bytes(16)), SecretBox(bytes(32)), DerivedGcm(bytes(32))]
by_name = pytest.mark.parametrize("cipher", CIPHERS, ids=["aesgcm", "aescbc", "secretbox", "derived"])


@by_name
def test_round_trip(cipher: Cipher) -> None:
    @settings(max_examples=40)
    @given(st.binary(max_size=100))
    def holds(plain: bytes) -> None:
        sealed = cipher.seal(plain, KEY)
        assert cipher.open(sealed, KEY) == plain
        assert sealed != cipher.seal(plain, KEY), "never twice the same"

    holds()


@by_name
@settings(max_examples=40)
@given(data=st.data())
def test_hostile_values(cipher: Cipher, data: st.DataObject) -> None:
    """Whatever lies in the store: opened or refused, nothing else."""
    with contextlib.suppress(CannotOpen):
        cipher.open(data.draw(st.binary(max_size=80)), KEY)


def test_the_form_is_fixed() -> None:
    """Nonce of 12 bytes, sealed value and tag, with the etcd key as authenticated data."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    secret, nonce = bytes(range(32)), bytes(range(12))
    sealed = nonce + AESGCM(secret).encrypt(nonce, b"value", KEY)
    assert AesGcm(secret).open(sealed, KEY) == b"value"


def test_a_value_that_was_moved_cannot_be_opened() -> None:
    cipher = CIPHERS[0]
    with pytest.raises(CannotOpen):
        cipher.open(cipher.seal(b"x", KEY), b"/registry/secrets/default/t")


def secret_of(number: int, size: int = 32) -> str:
    return base64.b64encode(bytes([number]) * size).decode()


def provider_of(scheme: str, *keys: str) -> dict[str, Any]:
    return {scheme: {"keys": [{"name": name, "secret": secret_of(ord(name))} for name in keys]}}


IDENTITY: dict[str, Any] = {"identity": {}}


def kms_of(**more: Any) -> dict[str, Any]:
    return {"kms": {"apiVersion": "v2", "name": "a", "endpoint": "unix:///a", **more}}


def write(path: Path, providers: Sequence[dict[str, Any]], resources: Sequence[str] = ("secrets",)) -> str:
    config = {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [{"resources": list(resources), "providers": list(providers)}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.parametrize(
    ("patterns", "key", "is_sealed"),
    [
        pytest.param(["secrets"], "/registry/secrets/default/s", True, id="core"),
        pytest.param(["secrets"], "/registry/configmaps/default/s", False, id="another"),
        pytest.param(["*."], "/registry/configmaps/default/s", True, id="all of core"),
        pytest.param(["*.apps"], "/registry/deployments/default/s", True, id="all of a group"),
        pytest.param(["*.apps"], "/registry/pods/default/s", False, id="another group"),
        pytest.param(["widgets.example.com"], "/registry/example.com/widgets/default/s", True, id="custom"),
        pytest.param(["widgets.example.com"], "/registry/example.com/gadgets/default/s", False, id="another custom"),
        pytest.param(["*.*"], "/registry/example.com/gadgets/default/s", True, id="everything"),
    ],
)
def test_patterns(tmp_path: Path, patterns: list[str], key: str, is_sealed: bool) -> None:
    encryption = load(write(tmp_path / "e", [provider_of("aesgcm", "a")], patterns))
    assert (encryption.keys_of(key) is not None) is is_sealed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: [", "expected", id="no YAML"),
        pytest.param("kind: Policy", "a EncryptionConfiguration of", id="another kind"),
        pytest.param(
            [], "resources[0].providers: Required value: at least one resources[0].providers", id="no providers"
        ),
        pytest.param(
            [{"aesgcm": {"keys": []}}], "aesgcm.keys: Required value: at least one keys is required", id="no keys"
        ),
        pytest.param(
            [{"aesgcm": {"keys": [{"name": "a", "secret": "!"}]}}], "secrets must be base64 encoded", id="not base64"
        ),
        pytest.param([{"aesgcm": {"keys": [{"name": "a"}]}}], "secret is a mandatory field for a key", id="no secret"),
        pytest.param(
            [{"aesgcm": {"keys": [{"secret": secret_of(1)}]}}], "name is a mandatory field for a key", id="no name"
        ),
        pytest.param(
            [{"secretbox": {"keys": [{"name": "a", "secret": "YQ=="}]}}],
            'secret: Invalid value: "REDACTED": secret is not of the expected length, got 1, expected one of [32]',
            id="short",
        ),
        pytest.param([{"rot13": {}}], 'unknown field "resources[0].providers[0].rot13"', id="unknown"),
        pytest.param([{"identity": []}], "providers[0].identity: not an object", id="shape"),
        pytest.param([{}], "provider does not contain any of the expected providers", id="nothing"),
        pytest.param(
            [{**IDENTITY, "aesgcm": {}}], "more than one provider specified in a single element", id="two in one"
        ),
        pytest.param([kms_of(name="a:b")], "invalid KMS provider name a:b, must not contain ':'", id="name"),
        pytest.param(
            [kms_of(name="")], "kms.name: Required value: name is a mandatory field for a provider", id="no kms name"
        ),
        pytest.param([kms_of(), kms_of()], "duplicate KMS provider name a, names must be unique", id="twice"),
        pytest.param(
            [kms_of(timeout="0s")], 'timeout: Invalid value: "0s": timeout should be a positive value', id="timeout"
        ),
        pytest.param([kms_of(timeout="soon")], 'invalid duration "soon"', id="no duration"),
        pytest.param([kms_of(endpoint="")], "endpoint is a mandatory field for a kms", id="no endpoint"),
        pytest.param(
            [kms_of(endpoint="http://a")], 'unsupported scheme "http" for KMS provider, only unix', id="scheme"
        ),
        pytest.param([kms_of(cachesize=3)], "cachesize is not supported in v2", id="cache"),
        pytest.param(
            [kms_of(cachesize=0, apiVersion="v1")], "should be a positive value, or negative to disable", id="no cache"
        ),
        pytest.param([kms_of(apiVersion="v3")], "unsupported apiVersion apiVersion for KMS provider", id="version"),
        pytest.param([kms_of(port=1)], 'unknown field "resources[0].providers[0].kms.port"', id="kms field"),
    ],
)
def test_bad_files(tmp_path: Path, text: Any, words: str) -> None:
    path = tmp_path / "e"
    if isinstance(text, str):
        path.write_text(text)
    else:
        write(path, text)
    with pytest.raises(BadFile) as bad:
        load(str(path))
    assert words in str(bad.value)
    assert "\n" not in str(bad.value)


AES = {"aesgcm": {"keys": [{"name": "a", "secret": secret_of(1)}]}}


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        pytest.param([[]], "resources[0].resources: Required value: at least one resources[0].resources", id="none"),
        pytest.param([["Secrets"]], "resource name should not contain capital letters", id="capitals"),
        pytest.param([["*"]], "use '*.' to encrypt all the resources from core API group or *.* to", id="star"),
        pytest.param([["secrets", "secrets"]], "the same resource cannot be specified multiple times", id="twice"),
        pytest.param([["secrets", "*."]], "using overlapping resources such as 'secrets' and '*.'", id="overlap"),
        pytest.param([["secrets", "*.*"]], "using overlapping resources such as 'secrets' and '*.'", id="everything"),
        pytest.param([["events.events.k8s.io"]], "Use 'events' instead in the config file", id="events"),
        pytest.param([["ingresses.extensions"]], "'extensions' group has been removed", id="extensions"),
        pytest.param([["serviceipallocations"]], "resources which do not have REST API/s cannot be encrypted", id="no API"),
        pytest.param([["secrets.*"]], "encrypting the same resource across groups is not supported", id="across"),
        pytest.param([["*.apps"], ["deployments.apps"]], 'resource "deployments.apps" is masked by earlier rule "*.apps"', id="masked"),
        pytest.param([["*.*"], ["secrets"]], 'resource "secrets" is masked by earlier rule "*.*"', id="masked by all"),
        pytest.param([["secrets", 1]], "not a list of strings", id="types"),
        pytest.param([["a", "a"], ["*"]], ", resources[1].resources[0]: Invalid value", id="all are told"),
    ],
)  # fmt: skip
def test_bad_resources(tmp_path: Path, resources: list[list[Any]], words: str) -> None:
    with pytest.raises(BadFile) as bad:
        load(several(tmp_path / "e", *((names, [AES]) for names in resources)))
    assert words in str(bad.value)


def several(path: Path, *parts: tuple[Sequence[Any], Sequence[dict[str, Any]]]) -> str:
    config = {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [{"resources": list(names), "providers": list(providers)} for names, providers in parts],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_several_lists(tmp_path: Path) -> None:
    """The narrowest rule holds; a resource that is named again gets more that read."""
    path = several(
        tmp_path / "e",
        (["secrets"], [provider_of("aesgcm", "a")]),
        (["deployments.apps"], [IDENTITY]),
        (["secrets", "*.apps"], [provider_of("aescbc", "b"), IDENTITY]),
        (["*.*"], [provider_of("secretbox", "c")]),
    )
    encryption = load(path)
    found = {
        name: encryption.keys_of(f"/registry/{name}/x") for name in ("secrets", "deployments", "daemonsets", "pods")
    }
    assert {name: keys.write.prefix for name, keys in found.items() if keys} == {
        "secrets": b"k8s:enc:aesgcm:v1:a:",
        "deployments": b"",
        "daemonsets": b"k8s:enc:aescbc:v1:b:",
        "pods": b"k8s:enc:secretbox:v1:c:",
    }
    secrets = found["secrets"]
    assert secrets is not None and len(secrets.read) == 3


SECRETS = "/api/v1/namespaces/default/secrets"


def secret(name: str, value: str = "hidden-value") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": value}}


async def raw(store: MemoryStore, name: str) -> bytes:
    found = await store.get(f"/registry/secrets/default/{name}")
    assert found is not None
    return found.value


async def test_rotation(tmp_path: Path) -> None:
    """Plain, then key a, then b first, then b alone; each time everything is readable and rewritten by a replace."""
    inner = MemoryStore()
    path = tmp_path / "e.yaml"
    steps: list[tuple[list[dict[str, Any]], bytes]] = [
        ([IDENTITY], b"{"),
        ([provider_of("aesgcm", "a"), IDENTITY], b"k8s:enc:aesgcm:v1:a:"),
        ([provider_of("secretbox", "b"), provider_of("aesgcm", "a")], b"k8s:enc:secretbox:v1:b:"),
        ([provider_of("aescbc", "c"), provider_of("secretbox", "b")], b"k8s:enc:aescbc:v1:c:"),
        ([IDENTITY, provider_of("aescbc", "c")], b"{"),
    ]
    for at, (providers, prefix) in enumerate(steps):
        store = EncryptedStore(inner, load(write(path, providers)))
        async with running(tmp_path, store) as client:
            if at == 0:
                await client.ok("POST", SECRETS, secret("s"))
            found = await client.ok("GET", f"{SECRETS}/s")
            again = await client.ok("PUT", f"{SECRETS}/s", found)
            assert (again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]) is (at == 0)
            assert (await raw(inner, "s")).startswith(prefix)
            same = await client.ok("PUT", f"{SECRETS}/s", again)
            assert same["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"], "written once"


async def test_a_lost_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inner = MemoryStore()
    path = tmp_path / "e.yaml"
    async with running(tmp_path, EncryptedStore(inner, load(write(path, [provider_of("aesgcm", "a")])))) as client:
        await client.ok("POST", SECRETS, secret("s"))
    store = EncryptedStore(inner, load(write(path, [provider_of("aesgcm", "b"), IDENTITY])))
    async with running(tmp_path, store) as client:
        assert (await client("GET", f"{SECRETS}/s")).status >= 400
        await client.ok("POST", SECRETS, secret("t"))
        assert (await client.ok("GET", f"{SECRETS}/t"))["data"]
    assert "/registry/secrets/default/s cannot be opened" in caplog.text
    assert "hidden-value" not in caplog.text


async def test_the_file_is_taken_over_when_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "e.yaml", [IDENTITY])
    inner, clock = MemoryStore(), FakeClock()
    settings = Settings(Measures(), reload=True, clock=clock)
    store = EncryptedStore(inner, load(path, settings))
    before = store.encryption
    task = asyncio.create_task(Upkeep(store, path, settings).run())

    async def changed() -> bool:
        clock.advance(5)
        await asyncio.sleep(0)
        return store.encryption is not before

    async def following() -> bool:
        return clock.sleepers > 0

    try:
        await eventually(following)
        write(Path(path), [provider_of("aesgcm", "a"), IDENTITY])
        await eventually(changed)
        await store.create("/registry/secrets/default/x", b"{}")
        assert (await raw(inner, "x")).startswith(b"k8s:enc:aesgcm:v1:a:")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.integration
async def test_real_etcd_holds_nothing_in_plain(tmp_path: Path, etcd: Etcd) -> None:
    path = write(tmp_path / "e.yaml", [provider_of("aesgcm", "a"), IDENTITY])
    flags = Options(encryption_provider_config=path)
    store = encrypted(EtcdStore([etcd.endpoint]), flags)
    async with running(tmp_path, store) as client:
        stored = await _drive(client)
        value = await asyncio.to_thread(_etcd_value, etcd, "/registry/secrets/default/s")
        assert value.startswith(b"k8s:enc:aesgcm:v1:a:")
        assert b"hidden" not in value
        shown = (await client("GET", "/metrics")).body.decode()
        sealed = 'transformation_type="to_storage",transformer_prefix="k8s:enc:aesgcm:v1:a:"} 3.0'
        assert f'apiserver_storage_transformation_operations_total{{status="OK",{sealed}' in shown
        assert base64.b64encode(b"hidden-value") not in value
        assert stored["data"] == {"password": base64.b64encode(b"other-value").decode()}
        assert (await asyncio.to_thread(_etcd_value, etcd, "/registry/namespaces/default")).startswith(b"{")
    await store.close()


async def _drive(client: Client) -> Any:
    """Create, watch, conflict, page: as with any other kind."""
    await client.ok("POST", SECRETS, secret("s"))
    async with client.watch(f"{SECRETS}?watch=1&fieldSelector=metadata.name%3Ds") as watch:
        assert await watch.take(1) == [("ADDED", "s")]
        patch = {"stringData": {"password": "other-value"}}
        await client.ok("PATCH", f"{SECRETS}/s", patch, media="application/merge-patch+json")
        event = await watch.next()
        assert event["object"]["data"]["password"] == base64.b64encode(b"other-value").decode()
    await client.ok("POST", SECRETS, secret("t"))
    page = await client.ok("GET", f"{SECRETS}?limit=1")
    token = page["metadata"]["continue"]
    rest = await client.ok("GET", f"{SECRETS}?limit=1&continue={token}")
    assert rest["items"][0]["data"]["password"] == base64.b64encode(b"hidden-value").decode()
    return await client.ok("GET", f"{SECRETS}/s")


def _etcd_value(etcd: Etcd, key: str) -> bytes:
    asked = json.dumps({"key": base64.b64encode(key.encode()).decode()})
    done = subprocess.run(
        ["curl", "-s", f"{etcd.endpoint}/v3/kv/range", "-d", asked], capture_output=True, check=True, timeout=20
    )
    return base64.b64decode(json.loads(done.stdout)["kvs"][0]["value"])
