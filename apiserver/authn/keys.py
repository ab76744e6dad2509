"""Service-account keys: PEM in, key objects and their ids out. Key ids and JWKs are those that upstream publishes."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey
    PublicKey = RSAPublicKey | EllipticCurvePublicKey

_CURVES = {"secp256r1": ("ES256", "P-256"), "secp384r1": ("ES384", "P-384"), "secp521r1": ("ES512", "P-521")}


def private_key(pem: bytes) -> PrivateKey:
    """The signing key of a PEM file. Raises ValueError for anything but RSA and elliptic curves."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("a service-account key must be RSA or ECDSA")
    return key


def public_keys(pem: bytes) -> list[PublicKey]:
    """Every verification key of a PEM file: public keys, certificates, and the public half of private keys."""
    keys = []
    for block in _blocks(pem):
        keys.append(_public_key(block))
    if not keys:
        raise ValueError("no key found: expected PEM blocks")
    return keys


def _blocks(pem: bytes) -> list[bytes]:
    blocks = []
    for part in pem.split(b"-----BEGIN ")[1:]:
        blocks.append(b"-----BEGIN " + part)
    return [b for b in blocks if b"EC PARAMETERS" not in b]


def _public_key(block: bytes) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if b"PRIVATE KEY" in block:
        return private_key(block).public_key()
    key = load_pem_x509_certificate(block).public_key() if b"CERTIFICATE" in block else load_pem_public_key(block)
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("a service-account key must be RSA or ECDSA")
    return key


def key_id(key: PublicKey) -> str:
    """base64url of the SHA-256 of the key's DER form, as in a token's `kid` header."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _b64(hashlib.sha256(der).digest())


def algorithm(key: PublicKey | PrivateKey) -> str:
    """The JWS algorithm of a key: RS256 or ES256/384/512 by curve."""
    curve = getattr(key, "curve", None)
    return "RS256" if curve is None else _CURVES[curve.name][0]


def jwk(key: PublicKey) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import rsa

    shared = {"use": "sig", "kid": key_id(key), "alg": algorithm(key)}
    numbers = key.public_numbers()
    if isinstance(key, rsa.RSAPublicKey):
        return {**shared, "kty": "RSA", "n": _b64_int(numbers.n), "e": _b64_int(numbers.e)}  # type: ignore[union-attr]
    size = (key.curve.key_size + 7) // 8
    name = _CURVES[key.curve.name][1]
    return {**shared, "kty": "EC", "crv": name, "x": _b64_int(numbers.x, size), "y": _b64_int(numbers.y, size)}  # type: ignore[union-attr]


def _b64_int(value: int, size: int = 0) -> str:
    return _b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
