"""One served collection: a Kind in one version over the cache of its stored objects."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.registry.strategy import Strategy
from apiserver.storage.cache import Entry, Format, Json, ResourceCache
from pocketkube.api.kinds.kind import Kind

Obj = dict[str, Any]

_CONVERTED_KEPT = 2048


class Resource:
    """What `/apis/GROUP/VERSION/PLURAL` serves. `stored` is the kind in the version that etcd holds."""

    def __init__(self, kind: Kind, stored: Kind, *, cache: ResourceCache, prefix: str, strategy: Strategy):
        self.kind = kind
        self.stored = stored
        self.cache = cache
        self.prefix = prefix
        self.strategy = strategy
        self.api_version = kind.api_version
        self.list_kind = kind.list_kind or kind.kind + "List"
        self.group = kind.group
        self.plural = kind.plural
        self.namespaced = kind.namespaced
        self.has_status = kind.has_status
        self.watched = "watch" in kind.verbs  # its objects are kept; what is not is only answered
        # Custom resources get their defaults on every read: the schema may be newer than the object.
        self.converts = kind.api_version != stored.api_version or (kind.custom and kind.default is not None)
        self.format: Format = Converted(self) if self.converts else Json(kind.api_version, kind.kind)
        self.formats: dict[tuple[str, str, str], Format] = {}  # of watches that want another shape
        self.list_head = b'{"kind":"%b","apiVersion":"%b","metadata":' % (
            self.list_kind.encode(),
            self.api_version.encode(),
        )

    def key(self, namespace: str, name: str) -> str:
        """The store's key of an object."""
        return f"{self.prefix}{namespace}/{name}" if namespace else self.prefix + name

    def data(self, entry: Entry) -> bytes:
        """The served bytes of an entry."""
        return self.format.encode(entry) if self.converts else entry.data

    def obj(self, entry: Entry) -> Obj:
        """The object of an entry in this version: shared, never to be changed."""
        if not self.converts:
            return entry.obj
        parsed: Obj = orjson.loads(self.data(entry))
        return parsed

    def copy(self, entry: Entry) -> Obj:
        """A fresh object of an entry in this version, the caller's own. Parsing again is three times faster than copying."""
        parsed: Obj = orjson.loads(self.data(entry))
        return parsed

    def from_stored(self, obj: Obj) -> Obj:
        """An object in the stored version, in this one; `obj` itself where they are the same."""
        return convert(self.kind, obj) if self.converts else obj

    def to_stored(self, obj: Obj) -> Obj:
        return convert(self.stored, obj) if self.converts else obj


def convert(kind: Kind, obj: Obj) -> Obj:
    """`obj` as `kind` has it: by the kind's own conversion, or with nothing but apiVersion changed."""
    if obj.get("apiVersion") == kind.api_version:
        return obj
    if kind.convert is not None:
        return kind.convert(obj, kind.version)
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind}


class Converted(Json):
    """Entries in another version than the stored one; the last ones made are kept."""

    def __init__(self, resource: Resource):
        super().__init__(resource.kind.api_version, resource.kind.kind)
        self._resource = resource
        self._made: dict[tuple[str, int], bytes] = {}

    def encode(self, entry: Entry) -> bytes:
        key = (entry.key, entry.revision)
        data = self._made.get(key)
        if data is None:
            data = orjson.dumps(self._made_of(entry))
            if len(self._made) >= _CONVERTED_KEPT:
                self._made.clear()
            self._made[key] = data
        return data

    def _made_of(self, entry: Entry) -> Obj:
        kind = self._resource.kind
        obj = convert(kind, orjson.loads(entry.data))
        if kind.custom and kind.default is not None:
            kind.default(obj)
        return obj
