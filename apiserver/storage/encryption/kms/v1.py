"""Version 1, deprecated: `k8s:enc:kms:v1:NAME:`, the size of the sealed key in two bytes, the sealed key, the sealed value.

Every write has a key of its own, which the service seals. Upstream sealed with AES-CBC up to 1.24; that is still read.
"""

from __future__ import annotations

import os
from time import perf_counter

from apiserver.storage.encryption.ciphers import KEY_BYTES, AesCbc, AesGcm, CannotOpen
from apiserver.storage.encryption.kms import messages
from apiserver.storage.encryption.kms.health import Kept, Poller
from apiserver.storage.encryption.kms.service import Failure, Service, words
from apiserver.storage.encryption.measures import Measures
from apiserver.storage.encryption.providers import CannotTransform
from pocketkube.base.clock import Clock
from pocketkube.base.grpc.calls import UNKNOWN, Method

DEPRECATED = "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead."
_VERSION = "v1beta1"


class EnvelopeV1(Poller):
    """`kept`: how many opened keys are remembered; none if negative."""

    def __init__(self, service: Service, measures: Measures, clock: Clock, kept: int):
        super().__init__(service, clock)
        self.prefix = self.form = b"k8s:enc:kms:v1:%b:" % service.name.encode()
        self._measures = measures
        self._kept = max(kept, 0)
        self._opened: Kept[bytes, bytes] = Kept(0.0, clock, most=self._kept)
        self._checked = False

    async def _ask(self, method: Method, data: bytes) -> bytes:
        """Before the first question the version is compared. Raises Failure."""
        if not self._checked:
            version = messages.first(await self.service.ask(messages.VERSION_V1, messages.version_request_v1())).decode(
                errors="replace"
            )
            if version != _VERSION:
                raise Failure(
                    UNKNOWN, f"KMS provider api version {version} is not supported, only {_VERSION} is supported now"
                )
            self._checked = True
        return messages.first(await self.service.ask(method, messages.request_v1(data)))

    async def seal(self, plain: bytes, key: bytes) -> bytes:
        self._measures.arrived("to_storage")
        started = perf_counter()
        secret = os.urandom(KEY_BYTES)
        self._measures.generated(perf_counter() - started)
        try:
            sealed_key = await self._ask(messages.ENCRYPT_V1, secret)
        except Failure as failure:
            self.suspect()
            raise CannotTransform(words(failure)) from None
        self._keep(sealed_key, secret)
        return self.prefix + len(sealed_key).to_bytes(2, "big") + sealed_key + AesGcm(secret).seal(plain, key)

    async def open(self, sealed: bytes, key: bytes) -> tuple[bytes, bytes]:
        self._measures.arrived("from_storage")
        start = len(self.prefix) + 2
        end = start + int.from_bytes(sealed[start - 2 : start], "big")
        if len(sealed) < end or end == start:
            raise CannotOpen(
                "invalid data encountered by envelope transformer: failed to read uint16 length prefixed data"
            )
        secret = self._opened.get(sealed[start:end]) or await self._secret(sealed[start:end])
        return self._read(secret, sealed[end:], key)

    def _read(self, secret: bytes, data: bytes, key: bytes) -> tuple[bytes, bytes]:
        try:
            return AesGcm(secret).open(data, key), self.form
        except CannotOpen:
            return AesCbc(secret).open(data, key), self.form + b"cbc"
        except ValueError as wrong:
            raise CannotOpen(f"the key management service gave no usable key: {wrong}") from None

    async def _secret(self, sealed_key: bytes) -> bytes:
        if self._kept:
            self._measures.missed()
        try:
            secret = await self._ask(messages.DECRYPT_V1, sealed_key)
        except Failure as failure:
            self.suspect()
            raise CannotTransform(words(failure)) from None
        self._keep(sealed_key, secret)
        return secret

    def _keep(self, sealed_key: bytes, secret: bytes) -> None:
        if self._kept:
            self._opened.put(sealed_key, secret)
            self._measures.filled = len(self._opened) / self._kept

    async def probe(self) -> str:
        where = f"section of the healthz check for KMS Provider {self.name}, error:"
        try:
            sealed = await self._ask(messages.ENCRYPT_V1, b"ping")
        except Failure as failure:
            return f"failed to perform encrypt {where} {words(failure)}"
        try:
            await self._ask(messages.DECRYPT_V1, sealed)
        except Failure as failure:
            return f"failed to perform decrypt {where} {words(failure)}"
        return ""

    async def poll(self) -> None:
        """Nothing has to stay fresh; only who failed is asked again."""
        while True:
            await self.clock.sleep(self.AGAIN_SECONDS)
            if not self.healthy:
                await self.check()
