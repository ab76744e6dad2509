"""Client certificates over a real TLS listener: of several authorities, through an intermediate one, and out of their time."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apiserver import authn
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from pocketkube.base import tls
from tests.certificates import Pki, make
from tests.pocketkube.base.test_serving import answer, request, respond, serving

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


class Identity(NamedTuple):
    """A certificate with its key, and the name that others are issued by."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def issue(
    name: str,
    issuer: Identity | None = None,
    *,
    since: int = -1,
    until: int = 1,
    ca: bool = True,
    purpose: x509.ObjectIdentifier | None = None,
) -> Identity:
    """Valid between these days from now; its own issuer without one."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + since * DAY)
        .not_valid_after(NOW + until * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if purpose is not None:
        built = built.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return Identity(subject, key, built.sign(issuer.key if issuer else key, hashes.SHA256()))


FIRST, SECOND, PROXIES, STRANGERS = issue("first"), issue("second"), issue("proxies"), issue("strangers")
PRETENDERS = Identity(FIRST.name, STRANGERS.key, STRANGERS.certificate)  # sign in the first one's name
MIDDLE, LATE_MIDDLE = issue("middle", SECOND), issue("late", SECOND, since=-2, until=-1)


@pytest.mark.parametrize(
    ("leaf", "above", "expected"),
    [
        pytest.param(issue("ann", FIRST, ca=False), (), "ann", id="the first authority"),
        pytest.param(issue("bob", SECOND, ca=False), (), "bob", id="the second authority"),
        pytest.param(issue("kim", MIDDLE, ca=False), (MIDDLE,), "kim", id="through an intermediate one"),
        pytest.param(issue("ann", FIRST, since=-2, until=-1, ca=False), (), "Unauthorized", id="expired"),
        pytest.param(issue("ann", FIRST, since=1, until=2, ca=False), (), "Unauthorized", id="not yet valid"),
        pytest.param(issue("kim", LATE_MIDDLE, ca=False), (LATE_MIDDLE,), "Unauthorized", id="an expired authority"),
        pytest.param(issue("front", PROXIES, ca=False), (), "Unauthorized", id="a proxy that speaks for nobody"),
        pytest.param(issue("ann", STRANGERS, ca=False), (), "Unauthorized", id="an unknown authority"),
        pytest.param(
            issue("ann", STRANGERS, ca=False), (STRANGERS,), "Unauthorized", id="an unknown authority that is shown"
        ),
        pytest.param(issue("ann", PRETENDERS, ca=False), (), "Unauthorized", id="a forged signature"),
        pytest.param(
            issue("ann", PRETENDERS, ca=False), (FIRST,), "Unauthorized", id="a forged signature below the true one"
        ),
        pytest.param(issue("ann", ca=False), (), "Unauthorized", id="of its own"),
        pytest.param(issue("kim", MIDDLE, ca=False), (), "Unauthorized", id="without the intermediate one"),
        pytest.param(
            issue("kim", issue("no CA", FIRST, ca=False), ca=False),
            (issue("no CA", FIRST, ca=False),),
            "Unauthorized",
            id="of no authority",
        ),
        pytest.param(
            issue("ann", FIRST, ca=False, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
            (),
            "Unauthorized",
            id="a server's certificate",
        ),
        pytest.param(
            issue("ann", FIRST, ca=False, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
            (),
            "ann",
            id="a client's certificate",
        ),
    ],
)
async def test_over_the_wire(tmp_path: Path, leaf: Identity, above: tuple[Identity, ...], expected: str) -> None:
    pki = make(tmp_path)
    assert await name_seen(tmp_path, pki, leaf, above) == expected


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_not_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A second connection that shows the first one's session: nobody who was not verified becomes somebody by it."""
    pki = make(tmp_path)
    strangers = issue("ann", STRANGERS, ca=False)
    context = client_context(tmp_path, pki, strangers, ())
    context.minimum_version = context.maximum_version = version
    async with serving(lambda scope, receive, send: who(scope, send), lenient(tmp_path, pki)) as server:
        address = server.port
        first = await asyncio.to_thread(ask, context, address, None)
        second = await asyncio.to_thread(ask, context, address, first[1])
    assert [first[0], second[0]] == [b"nobody", b"nobody"]
    assert second[2] is False


async def who(scope: Any, send: Any) -> None:
    found = scope["extensions"]["pocketkube.tls"]["peer_certificate"]
    await respond(send, b"nobody" if found == tls.UNUSABLE else b"somebody")


def ask(
    context: ssl.SSLContext, port: int, session: ssl.SSLSession | None
) -> tuple[bytes, ssl.SSLSession | None, bool | None]:
    """(the body, the session, whether one was resumed)"""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secure,
    ):
        secure.sendall(request())
        data = b""
        while not data.endswith(b"body"):
            data += secure.recv(4096)
        return data.rpartition(b"\r\n")[2], secure.session, secure.session_reused


async def name_seen(folder: Path, pki: Pki, leaf: Identity, above: tuple[Identity, ...]) -> str:
    clients, proxies = FIRST.pem + SECOND.pem, PROXIES.pem
    config = authn.AuthnConfig(
        cluster=MemoryCluster(), client_ca=clients, request_header=authn.RequestHeader(client_ca=proxies)
    )
    chain = authn.build(config)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            found = scope["extensions"]["pocketkube.tls"]["peer_certificate"]
            name = (await chain.authenticate(scope["headers"], found)).name
        except errors.Unauthorized as refused:
            name = refused.message
        await respond(send, name.encode())

    async with serving(app, lenient(folder, pki)) as server:
        reader, writer = await server.connect(client_context(folder, pki, leaf, above))
        writer.write(request())
        _, _, body = await answer(reader)
        writer.close()
    return str(body.decode())


def lenient(folder: Path, pki: Pki) -> ssl.SSLContext:
    (folder / "clients.pem").write_bytes(FIRST.pem + SECOND.pem + PROXIES.pem)
    context = tls.server_context(pki.server, pki.server_key, folder / "clients.pem", answers_unverified=True)
    assert context.lets_through
    return context


def client_context(folder: Path, pki: Pki, leaf: Identity, above: tuple[Identity, ...]) -> ssl.SSLContext:
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "leaf.key").write_bytes(leaf.key.private_bytes(serialization.Encoding.PEM, *form))
    (folder / "leaf.crt").write_bytes(leaf.pem + b"".join(one.pem for one in above))
    return tls.client_context(pki.ca, folder / "leaf.crt", folder / "leaf.key")
