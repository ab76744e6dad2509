"""A real HTTPS server for webhook tests, with a certificate of a throwaway CA; it answers as the test says."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.apiserver.https_server import Call, answer_calls

Obj = dict[str, Any]
Reply = Callable[[Obj], Obj | None]  # the response part of a review; None never answers


def allow(**fields: Any) -> Reply:
    return lambda review: {"uid": review["request"]["uid"], "allowed": True, **fields}


def deny(**status: Any) -> Reply:
    return lambda review: {"uid": review["request"]["uid"], "allowed": False, "status": status}


def patch(*operations: Obj) -> Reply:
    encoded = base64.b64encode(orjson.dumps(list(operations))).decode()
    return allow(patchType="JSONPatch", patch=encoded)


class WebhookServer:
    """Replies by path; `seen` holds (path with query, Host header, review) in order, `callers` the (Authorization header,
    common name of the certificate) of each. Certificates of `client_ca` are asked for."""

    def __init__(self, folder: Path, host: str, client_ca: Path | None = None):
        self.seen: list[tuple[str, str, Obj]] = []
        self.traces: list[str] = []
        self.callers: list[tuple[str, str]] = []
        self.replies: dict[str, Reply] = {}
        self.port = 0
        self.forever = asyncio.Event()
        self.ca_bundle, self._context = _certificate(folder, host)
        if client_ca is not None:
            self._context.load_verify_locations(client_ca)
            self._context.verify_mode = ssl.CERT_OPTIONAL

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[WebhookServer]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.forever.set()
            server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subject = (writer.get_extra_info("peercert") or {}).get("subject", ())
        who = dict(part for parts in subject for part in parts).get("commonName", "")
        await answer_calls(reader, writer, lambda call: self._answer(call, who))

    async def _answer(self, call: Call, who: str) -> tuple[int, bytes] | None:
        review = call.json()
        self.callers.append((call.headers.get("authorization", ""), who))
        self.seen.append((call.path, call.headers["host"], review))
        self.traces.append(call.headers.get("traceparent", ""))
        response = self.replies[call.path.partition("?")[0]](review)
        if response is None:
            await self.forever.wait()
            return None
        status = response.pop("http", 200)
        return status, orjson.dumps({"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response})


def _certificate(folder: Path, host: str) -> tuple[str, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    start = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=36500))
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return base64.b64encode(pem).decode(), context
