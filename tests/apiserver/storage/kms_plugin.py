"""A key management service of both versions on a Unix socket, its keys in memory: `python -m tests.apiserver.storage.kms_plugin SOCKET`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pocketkube.base.protobuf import fields, present, sized

Answer = Callable[[bytes], bytes]


class Plugin:
    """Keys are made of their ids. What it says of itself may be changed at any time; `calls` has each method it was asked."""

    def __init__(self, key_id: str = "1") -> None:
        self.key_id = key_id
        self.status_key_id: str | None = None  # where Status names another than Encrypt uses
        self.healthz, self.version = "ok", "v2"
        self.annotations: dict[str, bytes] = {"version.encryption.remote.io": b"1"}
        self.seconds = 0.0  # that each answer takes
        self.calls: list[str] = []

    def _cipher(self, key_id: str) -> AESGCM:
        return AESGCM(hashlib.sha256(key_id.encode()).digest())

    def _sealed(self, plain: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._cipher(self.key_id).encrypt(nonce, plain, b"")

    def _opened(self, sealed: bytes, key_id: str) -> bytes:
        try:
            return self._cipher(key_id).decrypt(sealed[:12], sealed[12:], b"")
        except InvalidTag:
            raise ValueError(f"not sealed with key {key_id}") from None

    def status(self, request: bytes) -> bytes:
        key_id = self.key_id if self.status_key_id is None else self.status_key_id
        return present(1, self.version.encode()) + present(2, self.healthz.encode()) + present(3, key_id.encode())

    def encrypt(self, request: bytes) -> bytes:
        asked = dict(fields(request))
        assert len(asked[2]) == 36, "a uid"
        entries = b"".join(sized(3, sized(1, k.encode()) + sized(2, v)) for k, v in self.annotations.items())
        return sized(1, self._sealed(asked[1])) + sized(2, self.key_id.encode()) + entries

    def decrypt(self, request: bytes) -> bytes:
        asked = dict(fields(request))
        return sized(1, self._opened(asked[1], asked[3].decode()))

    def version_v1(self, request: bytes) -> bytes:
        return sized(1, b"v1beta1") + sized(2, b"test") + sized(3, b"0.0.1")

    def encrypt_v1(self, request: bytes) -> bytes:
        return sized(1, self._sealed(dict(fields(request))[2]))

    def decrypt_v1(self, request: bytes) -> bytes:
        return sized(1, self._opened(dict(fields(request))[2], self.key_id))

    def handlers(self) -> list[Any]:
        v2 = {"Status": self.status, "Encrypt": self.encrypt, "Decrypt": self.decrypt}
        v1 = {"Version": self.version_v1, "Encrypt": self.encrypt_v1, "Decrypt": self.decrypt_v1}
        return [self._service("v2", v2), self._service("v1beta1", v1)]

    def _service(self, version: str, methods: Mapping[str, Answer]) -> Any:
        made = {
            name: grpc.unary_unary_rpc_method_handler(self._method(name, answer)) for name, answer in methods.items()
        }
        return grpc.method_handlers_generic_handler(f"{version}.KeyManagementService", made)

    def _method(self, name: str, answer: Answer) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def handle(request: bytes, context: Any) -> bytes:
            self.calls.append(name)
            await asyncio.sleep(self.seconds)
            try:
                return answer(request)
            except ValueError as wrong:
                return bytes(await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(wrong)))

        return handle


@asynccontextmanager
async def serving(plugin: Plugin, path: str) -> AsyncIterator[Plugin]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(plugin.handlers())
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        yield plugin
    finally:
        await server.stop(0)


async def main(path: str) -> None:
    async with serving(Plugin(), path):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
