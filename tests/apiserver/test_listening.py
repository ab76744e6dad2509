"""The listener's certificates: by name, anew when their files change, and what TLS is spoken at all."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from apiserver.listening import Listener, Pair, pair_of
from apiserver.options import Options, parse
from pocketkube.base import tls
from tests.certificates import Pki, make
from tests.pocketkube.base.test_serving import answer, request, respond, serving


@pytest.fixture
def first(tmp_path: Path) -> Pki:
    (tmp_path / "first").mkdir()
    return make(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Pki:
    (tmp_path / "second").mkdir()
    return make(tmp_path / "second")


def options(pki: Pki, **more: Any) -> Options:
    return Options(
        tls_cert_file=str(pki.server), tls_private_key_file=str(pki.server_key), client_ca_file=str(pki.ca), **more
    )


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


async def who(scope: Any, receive: Any, send: Any) -> None:
    found = scope["extensions"]["pocketkube.tls"]["peer_certificate"]
    await respond(send, b"nobody" if found == tls.UNUSABLE else b"none" if found is None else b"somebody")


async def asked(port: int, context: ssl.SSLContext, name: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """(the server's certificate, the answer)"""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.write(request())
    body = (await answer(reader))[2]
    writer.close()
    return shown, bytes(body)


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("flag", "pair"),
    [
        pytest.param("a.crt,a.key", Pair("a.crt", "a.key"), id="by its own names"),
        pytest.param("a.crt,a.key:*.Foo.com,foo.com", Pair("a.crt", "a.key", ("*.foo.com", "foo.com")), id="names"),
    ],
)
def test_pairs(flag: str, pair: Pair) -> None:
    assert pair_of(flag) == pair
    assert parse([f"--tls-sni-cert-key={flag}", "--tls-sni-cert-key=b.crt,b.key"]).tls_sni_cert_key == (
        flag,
        "b.crt,b.key",
    )


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"tls_sni_cert_key": ("a.crt",)}, id="no key"),
        pytest.param({"tls_min_version": "VersionTLS9"}, id="no version"),
        pytest.param({"tls_cipher_suites": ("TLS_NOTHING",)}, id="no cipher"),
    ],
)
def test_flags_that_say_nothing(first: Pki, flags: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"--tls-"):
        Listener(options(first, **flags))


@pytest.mark.parametrize(
    ("name", "special"),
    [
        ("b.example.com", True),
        ("B.Example.com", True),
        ("x.wild.example.com", True),
        ("wild.example.com", False),
        ("a.x.wild.example.com", False),
        ("other.example.com", False),
    ],
)
async def test_certificates_by_name(first: Pki, second: Pki, name: str, special: bool) -> None:
    flag = f"{second.server},{second.server_key}:b.example.com,*.wild.example.com"
    async with serving(who, Listener(options(first, tls_sni_cert_key=(flag,))).context) as server:
        shown, _ = await asked(server.port, trusting(), name)
    assert shown == der(second.server if special else first.server)


async def test_files_that_change_are_used_at_once(first: Pki, second: Pki) -> None:
    """The server's certificate and the clients' authority; who was somebody is nobody then, and the other way round."""
    renewed = []
    listener = Listener(options(first), lambda: renewed.append(True))
    old = trusting()
    old.load_cert_chain(first.client, first.client_key)
    new = trusting()
    new.load_cert_chain(second.client, second.client_key)
    async with serving(who, listener.context) as server:
        assert await asked(server.port, old) == (der(first.server), b"somebody")
        assert await asked(server.port, new) == (der(first.server), b"nobody")
        assert listener.renew() is False
        before = der(first.server)
        first.server.write_text("half a file")
        assert listener.renew() is False
        assert await asked(server.port, old) == (before, b"somebody")
        for source, target in zip(second, first, strict=True):
            shutil.copy(source, target)
        assert listener.renew() is True
        assert await asked(server.port, old) == (der(second.server), b"nobody")
        assert await asked(server.port, new) == (der(second.server), b"somebody")
    assert renewed == [True]


async def test_the_least_version(first: Pki) -> None:
    old = trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(who, Listener(options(first, tls_min_version="VersionTLS13")).context) as server:
        assert (await asked(server.port, trusting()))[1] == b"none"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asked(server.port, old)


async def test_ciphers(first: Pki) -> None:
    suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    listener = Listener(options(first, tls_cipher_suites=(suite,)))
    named = {cipher["name"] for cipher in listener.context.get_ciphers() if not cipher["name"].startswith("TLS_")}
    assert named == {"ECDHE-ECDSA-AES256-GCM-SHA384"}
