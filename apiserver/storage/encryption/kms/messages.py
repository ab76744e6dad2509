"""The messages of the key management APIs v2 and v1beta1, and what v2 stores, as protocol buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from apiserver.storage.encryption.providers import CannotOpen
from pocketkube.api.meta import names
from pocketkube.base.grpc.calls import Method
from pocketkube.base.protobuf import fields, present, sized, varint

STATUS = Method("/v2.KeyManagementService/Status")
ENCRYPT = Method("/v2.KeyManagementService/Encrypt")
DECRYPT = Method("/v2.KeyManagementService/Decrypt")
VERSION_V1 = Method("/v1beta1.KeyManagementService/Version")
ENCRYPT_V1 = Method("/v1beta1.KeyManagementService/Encrypt")
DECRYPT_V1 = Method("/v1beta1.KeyManagementService/Decrypt")

AES_GCM_KEY, DERIVED_SEED = 0, 1  # what a sealed source is, once opened
ANNOTATIONS_BYTES = 32 * 1024
KEY_ID_BYTES = SOURCE_BYTES = 1024


class Status(NamedTuple):
    version: str
    healthz: str
    key_id: str


class Source(NamedTuple):
    """A seed or key as the service sealed it, and what it wants to see again to open it."""

    sealed: bytes
    key_id: str
    annotations: tuple[tuple[str, bytes], ...] = ()
    kind: int = DERIVED_SEED


def status(data: bytes) -> Status:
    found = dict(fields(data))
    return Status(*(bytes(found.get(number, b"")).decode() for number in (1, 2, 3)))


def encrypt_request(plain: bytes, uid: str) -> bytes:
    return present(1, plain) + present(2, uid.encode())


def encrypted(data: bytes) -> Source:
    """An EncryptResponse."""
    found = dict(fields(data))
    return Source(found.get(1, b""), bytes(found.get(2, b"")).decode(), _annotations(data, 3))


def decrypt_request(source: Source, uid: str) -> bytes:
    asked = present(1, source.sealed) + present(2, uid.encode()) + present(3, source.key_id.encode())
    return asked + _entries(4, source.annotations)


def first(data: bytes) -> bytes:
    """The only field of the other answers."""
    return bytes(dict(fields(data)).get(1, b""))


def request_v1(data: bytes) -> bytes:
    """An EncryptRequest or DecryptRequest of v1beta1."""
    return sized(1, b"v1beta1") + present(2, data)


def version_request_v1() -> bytes:
    return sized(1, b"v1beta1")


def stored(source: Source, data: bytes) -> bytes:
    """An EncryptedObject: the sealed value with the source of its key."""
    kind = b"\x28" + varint(source.kind) if source.kind else b""
    head = sized(1, data) + present(2, source.key_id.encode()) + sized(3, source.sealed)
    return head + _entries(4, source.annotations) + kind


def read_stored(raw: bytes) -> tuple[Source, bytes]:
    """(source, sealed value) of an EncryptedObject. Raises CannotOpen."""
    try:
        found = dict(fields(raw))
        source = Source(
            found.get(3, b""), bytes(found.get(2, b"")).decode(), _annotations(raw, 4), int(found.get(5, AES_GCM_KEY))
        )
        data = bytes(found.get(1, b""))
    except (ValueError, TypeError) as wrong:
        raise CannotOpen(f"proto: cannot parse the stored value: {wrong}") from None
    if not data:
        raise CannotOpen("encrypted data is empty")
    if why := wrong_source(source):
        raise CannotOpen(why)
    return source, data


def wrong_source(source: Source) -> str:
    """What keeps a source from being stored; "" for nothing."""
    if source.kind not in (AES_GCM_KEY, DERIVED_SEED):
        return f"unknown encryptedDEKSourceType: {source.kind}"
    where = "failed to validate encrypted DEK source: encrypted DEK source is"
    if not source.sealed:
        return f"{where} empty"
    if len(source.sealed) > SOURCE_BYTES:
        return f"{where} {len(source.sealed)} bytes, which exceeds the max size of {SOURCE_BYTES}"
    if found := wrong_key_id(source.key_id):
        return f"failed to validate key id: {found[1]}"
    if why := _wrong_annotations(dict(source.annotations)):
        return f"failed to validate annotations: {why}"
    return ""


def wrong_key_id(key_id: str) -> tuple[str, str] | None:
    """(the error's name in metrics, what is wrong); None for a good one."""
    if not key_id:
        return "empty", "keyID is empty"
    if (size := len(key_id.encode())) > KEY_ID_BYTES:
        return "too_long", f"keyID is {size} bytes, which exceeds the max size of {KEY_ID_BYTES}"
    return None


def _wrong_annotations(annotations: Mapping[str, bytes]) -> str:
    for key in annotations:
        if "." not in key.strip("."):
            return (
                f'annotations: Invalid value: "{key}": should be a domain with at least two segments separated by dots'
            )
        if wrong := names.is_dns_subdomain(key):
            return f'annotations: Invalid value: "{key}": {wrong[0]}'
    size = sum(len(key.encode()) + len(value) for key, value in annotations.items())
    if size > ANNOTATIONS_BYTES:
        return f"total size of annotations is {size}, which exceeds the max size of {ANNOTATIONS_BYTES}"
    return ""


def _annotations(data: bytes, number: int) -> tuple[tuple[str, bytes], ...]:
    entries = [dict(fields(value)) for at, value in fields(data) if at == number]
    return tuple((bytes(entry.get(1, b"")).decode(), bytes(entry.get(2, b""))) for entry in entries)


def _entries(number: int, annotations: tuple[tuple[str, bytes], ...]) -> bytes:
    return b"".join(sized(number, sized(1, key.encode()) + sized(2, value)) for key, value in annotations)
