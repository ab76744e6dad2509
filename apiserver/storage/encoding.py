"""Stored bytes and served bytes differ by one member: `metadata.resourceVersion`, which is spliced in, never re-encoded.

Stored  {"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"},"spec":{}}                          at revision 42 is served as
Served  {"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"web"},"spec":{}}
"""

from __future__ import annotations

import re
from typing import Any

import orjson

Obj = dict[str, Any]

_STRING = rb'"[^"\\]*"'
_HEAD = re.compile(
    rb'\{(?:"kind":%b,"apiVersion":%b|"apiVersion":%b,"kind":%b),"metadata":\{' % (_STRING, _STRING, _STRING, _STRING)
)
_REVISION = b'"resourceVersion":"'
_CLOSE = ord("}")
_PROTOBUF = b"k8s\0"  # upstream's servers store their own kinds so, unless told otherwise


def encode(obj: Obj) -> bytes:
    """The bytes to store for an object: type first, then metadata without resourceVersion. Does not change `obj`."""
    metadata = obj.get("metadata") or {}
    if "resourceVersion" in metadata:
        metadata = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    head = {"kind": obj.get("kind", ""), "apiVersion": obj.get("apiVersion", ""), "metadata": metadata}
    return orjson.dumps(head | {name: value for name, value in obj.items() if name not in head})


def splice_revision(value: bytes, revision: int) -> bytes:
    """Served bytes of a stored value. What our encoder did not write is parsed and encoded again. Raises ValueError."""
    head = _HEAD.match(value)
    if head is None:
        return _rebuild(value, revision)
    at = head.end()
    if value.find(_REVISION, at) >= 0:  # perhaps only somewhere deeper, but two of them in metadata would be wrong
        return _rebuild(value, revision)
    comma = b"" if value[at] == _CLOSE else b","
    return b'%b"resourceVersion":"%d"%b%b' % (value[:at], revision, comma, value[at:])


def replace_revision(data: bytes, revision: int) -> bytes:
    """Served bytes with another resourceVersion: a deleted object carries the revision of its deletion."""
    head = _HEAD.match(data)
    if head is None or not data.startswith(_REVISION, head.end()):
        return _rebuild(data, revision)
    start = head.end() + len(_REVISION)
    return b"%b%d%b" % (data[:start], revision, data[data.index(b'"', start) :])


def strip_revision(data: bytes) -> bytes:
    """Stored bytes of served ones."""
    head = _HEAD.match(data)
    if head is None or not data.startswith(_REVISION, head.end()):
        return encode(_parse(data))
    end = data.index(b'"', head.end() + len(_REVISION)) + 1
    return data[: head.end()] + data[end + 1 if data[end] != _CLOSE else end :]


def _rebuild(value: bytes, revision: int) -> bytes:
    obj = _parse(value)
    metadata = obj.get("metadata")
    rest = metadata if isinstance(metadata, dict) else {}
    head = {"kind": str(obj.get("kind", "")), "apiVersion": str(obj.get("apiVersion", ""))}
    metadata = {"resourceVersion": str(revision)} | {k: v for k, v in rest.items() if k != "resourceVersion"}
    others = {k: v for k, v in obj.items() if k not in ("kind", "apiVersion", "metadata")}
    return orjson.dumps(head | {"metadata": metadata} | others)


def _parse(value: bytes) -> Obj:
    obj = _from_protobuf(value) if value.startswith(_PROTOBUF) else orjson.loads(value)
    if not isinstance(obj, dict):
        raise ValueError("a stored value is not a JSON object")
    return obj


def _from_protobuf(value: bytes) -> Obj:
    """What another server stored. Raises ValueError where the kind is unknown or the value broken."""
    from apiserver.protobuf import wire
    from pocketkube.api import scheme
    from pocketkube.api.meta.errors import BadRequest

    try:
        api_version, name = wire.type_of(value)
        group, _, version = api_version.rpartition("/")
        kind = scheme.builtin().by_gvk(group, version, name)
        if kind is None or not wire.known(kind.schema.name):
            raise ValueError(f"protobuf of {name} in {api_version} cannot be read")
        return wire.decode(value, kind.schema.name)
    except BadRequest as broken:
        raise ValueError(broken.message) from None
