"""How bytes are sealed and opened: a class a scheme, a value a key. Forms are upstream's, without the prefix that names the key."""

from __future__ import annotations

import hmac
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as Scheme
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_BLOCK = 16
_GCM_NONCE = 12
_BOX_NONCE = 24
_INFO = 32


class CannotOpen(ValueError):
    """A stored value that no key of the configuration opens."""


class Cipher(Protocol):
    def seal(self, plain: bytes, key: bytes) -> bytes:
        """What to store under an etcd key."""

    def open(self, sealed: bytes, key: bytes) -> bytes:
        """The plain value. Raises CannotOpen."""


class AesGcm:
    """The etcd key is authenticated along: a value that was moved to another key cannot be opened."""

    def __init__(self, secret: bytes):
        self._cipher = AESGCM(secret)

    def seal(self, plain: bytes, key: bytes) -> bytes:
        nonce = os.urandom(_GCM_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, key)

    def open(self, sealed: bytes, key: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_GCM_NONCE], sealed[_GCM_NONCE:], key)
        except (InvalidTag, ValueError):
            raise CannotOpen("the value was changed, moved, or sealed with another key of this name") from None


class AesCbc:
    """Not authenticated; upstream keeps it for what was written long ago."""

    def __init__(self, secret: bytes):
        self._algorithm = algorithms.AES(secret)

    def seal(self, plain: bytes, key: bytes) -> bytes:
        vector = os.urandom(_BLOCK)
        padding = _BLOCK - len(plain) % _BLOCK
        sealing = Scheme(self._algorithm, modes.CBC(vector)).encryptor()
        return vector + sealing.update(plain + bytes([padding]) * padding) + sealing.finalize()

    def open(self, sealed: bytes, key: bytes) -> bytes:
        vector, body = sealed[:_BLOCK], sealed[_BLOCK:]
        if len(vector) != _BLOCK or not body or len(body) % _BLOCK:
            raise CannotOpen("the sealed value is cut short")
        opening = Scheme(self._algorithm, modes.CBC(vector)).decryptor()
        plain = opening.update(body) + opening.finalize()
        padding = plain[-1]
        if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes([padding]) * padding:
            raise CannotOpen("the value was changed, or sealed with another key of this name")
        return plain[:-padding]


class SecretBox:
    """XSalsa20 and Poly1305."""

    def __init__(self, secret: bytes):
        from nacl.secret import SecretBox as Box

        self._box = Box(secret)

    def seal(self, plain: bytes, key: bytes) -> bytes:
        return bytes(self._box.encrypt(plain, os.urandom(_BOX_NONCE)))

    def open(self, sealed: bytes, key: bytes) -> bytes:
        from nacl.exceptions import CryptoError

        try:
            return bytes(self._box.decrypt(sealed))
        except (CryptoError, ValueError, TypeError):
            raise CannotOpen("the value was changed, or sealed with another key of this name") from None


class DerivedGcm:
    """A key of its own for each value: `info | AES-GCM(HKDF-Expand-SHA256(seed, info))`, with 32 random bytes of info.

    So one seed may seal any number of values. Of HKDF's blocks a key takes one: HMAC(seed, info | 1)."""

    def __init__(self, seed: bytes):
        if len(seed) < KEY_BYTES:
            raise CannotOpen(f"invalid seed length {len(seed)} used for key generation")
        self._seed = seed

    def _key(self, info: bytes) -> AesGcm:
        return AesGcm(hmac.digest(self._seed, info + b"\1", "sha256"))

    def seal(self, plain: bytes, key: bytes) -> bytes:
        info = os.urandom(_INFO)
        return info + self._key(info).seal(plain, key)

    def open(self, sealed: bytes, key: bytes) -> bytes:
        if len(sealed) < _INFO:
            raise CannotOpen("the stored data was shorter than the required size")
        return self._key(sealed[:_INFO]).open(sealed[_INFO:], key)
