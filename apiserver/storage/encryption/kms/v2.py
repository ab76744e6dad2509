"""Version 2: `k8s:enc:kms:v2:NAME:` and an EncryptedObject, which carries the sealed seed of the value's key.

The state is what writes use: a seed and its source. It is good for three minutes after the service last said that it still
seals with the same key; reads go on for ever with the seeds that were opened once.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from datetime import datetime, timedelta
from time import perf_counter
from typing import NamedTuple

from apiserver.storage.encryption.ciphers import KEY_BYTES, AesGcm, CannotOpen, Cipher, DerivedGcm
from apiserver.storage.encryption.kms import messages
from apiserver.storage.encryption.kms.health import Kept, Poller
from apiserver.storage.encryption.kms.messages import DERIVED_SEED, Source
from apiserver.storage.encryption.kms.service import Failure, Service, words
from apiserver.storage.encryption.measures import Measures, hashed
from apiserver.storage.encryption.providers import CannotTransform
from pocketkube.base.clock import Clock

WRITE_SECONDS = 180.0  # that a seed is used without a word from the service
KEPT_SECONDS = 24 * 3600.0
_VERSIONS = ("v2", "v2beta1")


class State(NamedTuple):
    source: Source
    cipher: Cipher
    expires: datetime


class EnvelopeV2(Poller):
    def __init__(self, service: Service, measures: Measures, clock: Clock):
        super().__init__(service, clock)
        self.prefix = b"k8s:enc:kms:v2:%b:" % service.name.encode()
        self._measures = measures
        self._state: State | None = None
        self._version = ""
        self._opened: Kept[Source, Cipher] = Kept(KEPT_SECONDS, clock)
        self._opening: dict[Source, asyncio.Future[Cipher]] = {}
        measures.source_caches[service.name] = self._opened.__len__

    @property
    def form(self) -> bytes:
        return _form(self.prefix, self._state.source) if self._state is not None else b""

    async def seal(self, plain: bytes, key: bytes) -> bytes:
        if self._state is None:
            await self.check()
        state = self._state
        if state is None:
            raise CannotTransform(self.why or "the key management service has not answered yet")
        if (now := self.clock.now()) > state.expires:
            raise CannotTransform(
                f'encryptedDEKSource with keyID hash "{hashed(state.source.key_id)}" expired at {_shown(state.expires)} '
                f"(current time is {_shown(now)})"
            )
        self._opened.put(state.source, state.cipher)
        self._measures.used("to_storage", self.name, state.source.key_id)
        return self.prefix + messages.stored(state.source, state.cipher.seal(plain, key))

    async def open(self, sealed: bytes, key: bytes) -> tuple[bytes, bytes]:
        source, data = messages.read_stored(sealed[len(self.prefix) :])
        cipher = self._opened.get(source) or await self._cipher(source)
        self._measures.used("from_storage", self.name, source.key_id)
        return cipher.open(data, key), _form(self.prefix, source)

    async def _cipher(self, source: Source) -> Cipher:
        """Of a seed that the service opens; who needs the same one meanwhile waits for the same answer."""
        if (asked := self._opening.get(source)) is None:
            self._measures.missed()
            asked = self._opening[source] = asyncio.ensure_future(self._decrypt(source))
            asked.add_done_callback(lambda _: self._opening.pop(source, None))
        try:
            return await asyncio.shield(asked)
        except Failure as failure:
            self.suspect()
            raise CannotTransform(f"failed to decrypt DEK, error: {words(failure)}") from None

    async def _decrypt(self, source: Source) -> Cipher:
        request = messages.decrypt_request(source, str(uuid.uuid4()))
        secret = messages.first(await self.service.ask(messages.DECRYPT, request))
        try:
            cipher: Cipher = DerivedGcm(secret) if source.kind == DERIVED_SEED else AesGcm(secret)
        except ValueError as wrong:
            raise CannotOpen(f"the key management service gave no usable key: {wrong}") from None
        self._opened.put(source, cipher)
        return cipher

    async def probe(self) -> str:
        try:
            status = messages.status(await self.service.ask(messages.STATUS, b""))
        except (Failure, ValueError) as failure:
            why = words(failure) if isinstance(failure, Failure) else str(failure)
            return f"failed to perform status section of the healthz check for KMS Provider {self.name}, error: {why}"
        wrong = [*self._wrong_status(status), *await self._wrong_key(status.key_id)]
        shown = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        return f"kmsv2 Provider {self.name} is not healthy, error: {shown}" if wrong else ""

    def _wrong_status(self, status: messages.Status) -> list[str]:
        wrong = []
        if status.healthz != "ok":
            wrong.append(f"got unexpected healthz status: {status.healthz}")
        if status.version not in _VERSIONS:
            return [*wrong, f"expected KMSv2 API version v2, got {status.version}"]
        self._version = self._version or status.version
        if self._version != status.version:
            wrong.append(
                "KMSv2 API version should not change after the initial status response version "
                f"{self._version}, got {status.version}"
            )
        return wrong

    async def _wrong_key(self, key_id: str) -> list[str]:
        """Takes over the key that the service uses now."""
        if (bad := messages.wrong_key_id(key_id)) is not None:
            self._measures.invalid_key_id(self.name, bad[0])
            return [f'got invalid KMSv2 KeyID hash "{hashed(key_id)}": {bad[1]}']
        self._measures.status_key_id(self.name, key_id)
        expires = self.clock.now() + timedelta(seconds=WRITE_SECONDS)
        if self._state is not None and self._state.source.key_id == key_id:
            self._state = self._state._replace(expires=expires)
            return []
        why = await self._rotate(key_id, expires)
        return [f"failed to rotate DEK: {why}"] if why else []

    async def _rotate(self, key_id: str, expires: datetime) -> str:
        """A new seed. While that fails the present one stays, until it expires."""
        started = perf_counter()
        seed = os.urandom(KEY_BYTES)
        self._measures.generated(perf_counter() - started)
        try:
            answer = await self.service.ask(messages.ENCRYPT, messages.encrypt_request(seed, str(uuid.uuid4())))
            source = messages.encrypted(answer)
        except Failure as failure:
            return f"failed to encrypt DEK, error: {words(failure)}"
        except ValueError as wrong:
            return f"failed to encrypt DEK, error: {wrong}"
        if why := messages.wrong_source(source):
            return why
        if source.key_id != key_id:
            return f'statusKeyIDHash="{hashed(key_id)}", encryptKeyIDHash="{hashed(source.key_id)}"'
        self._state = State(source, DerivedGcm(seed), expires)
        return ""


def _form(prefix: bytes, source: Source) -> bytes:
    return b"%b%b:%d" % (prefix, source.key_id.encode(), source.kind)


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
