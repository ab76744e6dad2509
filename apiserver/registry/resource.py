"""One served collection: a Kind in one version over the cache of its stored objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.registry.strategy import Strategy
from apiserver.storage.cache import Entry, Format, Json, ResourceCache
from apiserver.tails import Tails
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

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
        self.converts = kind.api_version != stored.api_version or kind.rereads
        self.outside = kind.converter is not None  # then await `load` before anything is read
        self._converted = Converted(self)
        self.events_sent = 0  # to watching clients
        self.format: Format = self._converted if self.converts else Json(kind.api_version, kind.kind)
        self.formats: dict[tuple[str, str, str], Format] = {}  # of watches that want another shape
        self.tails = Tails()  # of whole lists, by namespace
        self.list_head = b'{"kind":"%b","apiVersion":"%b","metadata":' % (
            self.list_kind.encode(),
            self.api_version.encode(),
        )
        # How objects begin that say in a list what the list says already; those of custom kinds say it all the same.
        self.item_head = b'{"kind":"%b","apiVersion":"%b",' % (kind.kind.encode(), kind.api_version.encode())

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

    async def load(self, entries: Sequence[Entry]) -> None:
        """Where versions are converted elsewhere: have these entries in this version at hand, until something else is
        awaited. Raises what the converter raises."""
        if self.outside:
            await self._converted.load(entries)

    async def from_stored(self, obj: Obj) -> Obj:
        """An object in the stored version, in this one; `obj` itself where they are the same."""
        if not self.converts or obj.get("apiVersion") == self.api_version:
            return obj
        return await convert(self.kind, settled(self.kind, orjson.loads(orjson.dumps(obj))))

    async def to_stored(self, obj: Obj) -> Obj:
        return await convert(self.stored, obj) if self.converts else obj


async def convert(kind: Kind, obj: Obj) -> Obj:
    """`obj` as `kind` has it: by a converter, by the kind's own conversion, or with nothing but apiVersion changed."""
    if kind.converter is not None and obj.get("apiVersion") != kind.api_version:
        (made,) = await kind.converter([obj], kind.api_version)
        return coerced(kind, made)
    return converted(kind, obj)


def converted(kind: Kind, obj: Obj) -> Obj:
    """As `convert`, where nobody else has to be asked."""
    if obj.get("apiVersion") == kind.api_version:
        return obj
    if kind.convert is not None:
        made = kind.convert(obj, kind.version)
        return coerced(kind, orjson.loads(orjson.dumps(made))) if kind.custom else made
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind}


def settled(kind: Kind, obj: Obj) -> Obj:
    """An object as it was kept, in the present form of its version, in place."""
    if kind.settle is not None:
        kind.settle(obj)
    return obj


def coerced(kind: Kind, obj: Obj) -> Obj:
    """A custom resource without the fields that its version does not know, in place."""
    kind.schema.decode(obj, mode="Ignore")
    return obj


class Converted(Json):
    """Entries in another form than the stored one; the last ones made are kept."""

    def __init__(self, resource: Resource):
        super().__init__(resource.kind.api_version, resource.kind.kind)
        self._kind = resource.kind
        self._made: dict[tuple[str, int], bytes] = {}

    def encode(self, entry: Entry) -> bytes:
        key = (entry.key, entry.revision)
        data = self._made.get(key)
        if data is None:
            if self._kind.converter is not None:
                raise errors.InternalError(f"{entry.key} is not converted to {self._kind.api_version}")
            data = orjson.dumps(converted(self._kind, settled(self._kind, orjson.loads(entry.data))))
            if len(self._made) >= _CONVERTED_KEPT:
                self._made.clear()
            self._made[key] = data
        return data

    async def load(self, entries: Sequence[Entry]) -> None:
        kind = self._kind
        assert kind.converter is not None
        missing = [entry for entry in entries if (entry.key, entry.revision) not in self._made]
        if not missing:
            return
        made = await kind.converter([settled(kind, orjson.loads(entry.data)) for entry in missing], kind.api_version)
        if len(self._made) + len(missing) > _CONVERTED_KEPT:
            wanted = {(entry.key, entry.revision) for entry in entries}
            self._made = {key: data for key, data in self._made.items() if key in wanted}
        for entry, obj in zip(missing, made, strict=True):
            self._made[entry.key, entry.revision] = orjson.dumps(coerced(kind, obj))
        if any((entry.key, entry.revision) not in self._made for entry in entries):
            await self.load(entries)  # others went while the converter was asked
