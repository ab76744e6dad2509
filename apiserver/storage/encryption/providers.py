"""Who seals and opens the values of a resource: a local key, nobody, or a key management service behind `kms/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from apiserver.storage.encryption.ciphers import CannotOpen, Cipher
from apiserver.storage.interface import CannotTransform

__all__ = ["SEALED", "CannotOpen", "CannotTransform", "Identity", "Local", "Provider", "Remote"]

SEALED = b"k8s:enc:"


class Provider(Protocol):
    prefix: bytes  # of what it has sealed

    @property
    def form(self) -> bytes:
        """What is stored in another form than this is out of date: the prefix, and with a service the key that it uses now."""

    async def seal(self, plain: bytes, key: bytes) -> bytes:
        """What to store under an etcd key, prefix included. Raises CannotTransform."""

    async def open(self, sealed: bytes, key: bytes) -> tuple[bytes, bytes]:
        """(the plain value, its form) of stored bytes that start with the prefix.

        Raises CannotOpen where it never will be opened, CannotTransform where the service does not answer."""


class Remote(Provider, Protocol):
    """One that has a key management service."""

    name: str
    healthy: bool  # so far as is known without asking

    @property
    def seconds(self) -> float:
        """That a call to it may take."""

    async def check(self) -> str:
        """Why the service cannot be used; "" where it can. Answers are kept for a few seconds."""

    async def poll(self) -> None:
        """See that its state stays fresh, until cancelled."""

    def close(self) -> None: ...


class Identity:
    """As it is."""

    prefix = form = b""

    async def seal(self, plain: bytes, key: bytes) -> bytes:
        return plain

    async def open(self, sealed: bytes, key: bytes) -> tuple[bytes, bytes]:
        if sealed.startswith(SEALED):
            raise CannotOpen("the value is sealed with a key that the configuration does not have")
        return sealed, b""


class Local:
    """A key of the configuration file."""

    def __init__(self, scheme: str, name: str, make: Callable[[bytes], Cipher], secret: bytes):
        self.prefix = self.form = b"k8s:enc:%b:v1:%b:" % (scheme.encode(), name.encode())
        self._cipher = make(secret)

    async def seal(self, plain: bytes, key: bytes) -> bytes:
        return self.prefix + self._cipher.seal(plain, key)

    async def open(self, sealed: bytes, key: bytes) -> tuple[bytes, bytes]:
        return self._cipher.open(sealed[len(self.prefix) :], key), self.prefix
