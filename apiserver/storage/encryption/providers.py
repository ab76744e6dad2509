"""How one value is sealed and opened: a class a scheme, a value a key. Forms and names are upstream's."""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEALED = b"k8s:enc:"
_BLOCK = 16
_GCM_NONCE = 12
_BOX_NONCE = 24


class CannotOpen(ValueError):
    """A stored value that no key of the configuration opens."""


class Provider(Protocol):
    prefix: bytes  # of what it has sealed

    def seal(self, plain: bytes, key: bytes) -> bytes:
        """What to store under an etcd key, prefix included."""

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """The plain value of stored bytes that start with the prefix. Raises CannotOpen."""


class Identity:
    """As it is."""

    prefix = b""

    def seal(self, plain: bytes, key: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes, key: bytes) -> bytes:
        if sealed.startswith(SEALED):
            raise CannotOpen("the value is sealed with a key that the configuration does not have")
        return sealed


class AesGcm:
    def __init__(self, name: str, secret: bytes):
        self.prefix = b"k8s:enc:aesgcm:v1:%b:" % name.encode()
        self._cipher = AESGCM(secret)

    def seal(self, plain: bytes, key: bytes) -> bytes:
        nonce = os.urandom(_GCM_NONCE)
        return b"%b%b%b" % (self.prefix, nonce, self._cipher.encrypt(nonce, plain, key))

    def open(self, sealed: bytes, key: bytes) -> bytes:
        start = len(self.prefix)
        nonce = sealed[start : start + _GCM_NONCE]
        try:
            return self._cipher.decrypt(nonce, sealed[start + _GCM_NONCE :], key)
        except (InvalidTag, ValueError):
            raise CannotOpen("the value was changed, moved, or sealed with another key of this name") from None


class AesCbc:
    """Not authenticated; upstream keeps it for what was written long ago."""

    def __init__(self, name: str, secret: bytes):
        self.prefix = b"k8s:enc:aescbc:v1:%b:" % name.encode()
        self._algorithm = algorithms.AES(secret)

    def seal(self, plain: bytes, key: bytes) -> bytes:
        vector = os.urandom(_BLOCK)
        padding = _BLOCK - len(plain) % _BLOCK
        sealing = Cipher(self._algorithm, modes.CBC(vector)).encryptor()
        body = sealing.update(plain + bytes([padding]) * padding) + sealing.finalize()
        return b"%b%b%b" % (self.prefix, vector, body)

    def open(self, sealed: bytes, key: bytes) -> bytes:
        start = len(self.prefix)
        vector, body = sealed[start : start + _BLOCK], sealed[start + _BLOCK :]
        if len(vector) != _BLOCK or not body or len(body) % _BLOCK:
            raise CannotOpen("the sealed value is cut short")
        opening = Cipher(self._algorithm, modes.CBC(vector)).decryptor()
        plain = opening.update(body) + opening.finalize()
        padding = plain[-1]
        if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes([padding]) * padding:
            raise CannotOpen("the value was changed, or sealed with another key of this name")
        return plain[:-padding]


class SecretBox:
    """XSalsa20 and Poly1305."""

    def __init__(self, name: str, secret: bytes):
        from nacl.secret import SecretBox as Box

        self.prefix = b"k8s:enc:secretbox:v1:%b:" % name.encode()
        self._box = Box(secret)

    def seal(self, plain: bytes, key: bytes) -> bytes:
        return self.prefix + bytes(self._box.encrypt(plain, os.urandom(_BOX_NONCE)))

    def open(self, sealed: bytes, key: bytes) -> bytes:
        from nacl.exceptions import CryptoError

        try:
            return bytes(self._box.decrypt(sealed[len(self.prefix) :]))
        except (CryptoError, ValueError, TypeError):
            raise CannotOpen("the value was changed, or sealed with another key of this name") from None
