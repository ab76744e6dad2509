"""Which flow a request belongs to: FlowSchemas and levels from the watch cache, made ready once for each shape of request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from math import ceil
from typing import Any

from apiserver.flowcontrol import matching
from apiserver.flowcontrol.dealing import deal
from apiserver.flowcontrol.level import Level, Limits
from apiserver.interfaces import RequestInfo, User
from apiserver.storage.cache import ResourceCache
from pocketkube.api.kinds.flowcontrol import _fixed
from pocketkube.base.kept import Kept

Obj = dict[str, Any]

GROUP = "flowcontrol.apiserver.k8s.io"
WAIT_BUCKETS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)  # seconds; upstream's
LONG_RUNNING = frozenset(("attach", "exec", "proxy", "log", "portforward"))


class Schema:
    """One FlowSchema and what has become of its requests."""

    __slots__ = ("dispatched", "level", "name", "rejected", "spec", "uid", "waited", "waited_seconds")

    def __init__(self, name: str):
        self.name = name
        self.uid = ""
        self.spec: Obj = {}
        self.level = ""
        self.dispatched = 0
        self.rejected: dict[str, int] = {}
        self.waited = [0] * (len(WAIT_BUCKETS) + 1)  # of those that did not start at once
        self.waited_seconds = 0.0

    def has_waited(self, seconds: float) -> None:
        self.waited[bisect_left(WAIT_BUCKETS, seconds)] += 1
        self.waited_seconds += seconds


class Flow:
    """Where a request of one shape goes. `waits`: it takes a seat, and for one it may have to wait."""

    __slots__ = ("hand", "headers", "level", "schema", "waits")

    def __init__(self, schema: Schema, level: Level, hand: tuple[int, ...], *, waits: bool):
        self.schema = schema
        self.level = level
        self.hand = hand
        self.waits = waits
        self.headers = [
            (b"x-kubernetes-pf-flowschema-uid", schema.uid.encode()),
            (b"x-kubernetes-pf-prioritylevel-uid", level.uid.encode()),
        ]


class Turns:
    """`seats` are shared out by the levels' shares. Configuration is read anew when its objects have changed."""

    def __init__(self, schemas: ResourceCache, levels: ResourceCache, *, seats: int, request_seconds: float = 60.0):
        self.seats = seats
        self.request_seconds = request_seconds
        self.rack: list[Level] = []
        self.schemas: list[Schema] = []
        self._schema_cache = schemas
        self._level_cache = levels
        self._levels: dict[str, Level] = {}
        self._known_schemas: dict[str, Schema] = {}
        self._flows: Kept[tuple[object, ...], Flow] = Kept()
        self._at = (-1, -1)

    def flow_of(self, user: User, info: RequestInfo) -> Flow:
        if self._at[0] != self._schema_cache.revision or self._at[1] != self._level_cache.revision:
            self._configure()
        key = (
            user.name, user.groups, info.verb, info.group, info.resource, info.subresource, info.namespace
            if info.is_resource else info.path,
        )  # fmt: skip
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows.keep(key, self._classify(user, info))
        return flow

    def _classify(self, user: User, info: RequestInfo) -> Flow:
        """The first schema that matches; the last one, catch-all, stands for all that is left."""
        found = next(
            (s for s in self.schemas if matching.matches(s.spec, user, info)), self._known_schemas["catch-all"]
        )
        level = self._levels[found.level]
        limits = level.limits
        name = matching.distinguisher(found.spec, user, info)
        hand = deal(found.name, name, queues=limits.queues, hand=limits.hand) if limits.queues else ()
        long = info.subresource in LONG_RUNNING or info.verb == "proxy"
        return Flow(found, level, hand, waits=not level.exempt and not long)

    def _configure(self) -> None:
        self._at = (self._schema_cache.revision, self._level_cache.revision)
        self._flows.clear()
        self._take_levels(_with_fixed(self._level_cache, _fixed.PRIORITY_LEVELS))
        taken = []
        for name, (uid, spec) in _with_fixed(self._schema_cache, _fixed.FLOW_SCHEMAS).items():
            level = spec["priorityLevelConfiguration"]["name"]
            if level not in self._levels:
                continue  # dangling: as if it were not there
            schema = self._known_schemas.get(name) or Schema(name)
            schema.uid, schema.spec, schema.level = uid, spec, level
            taken.append(schema)
        taken.sort(key=lambda schema: (schema.spec.get("matchingPrecedence", 1000), schema.name))
        self.schemas = taken
        self._known_schemas = {schema.name: schema for schema in taken}

    def _take_levels(self, found: Mapping[str, tuple[str, Obj]]) -> None:
        total = sum(_shares(spec) for _, spec in found.values())
        old, self._levels = self._levels, {}
        for name, (uid, spec) in found.items():
            level = old.get(name) or Level(name, self.rack, exempt=spec["type"] == "Exempt")
            level.uid = uid
            level.shares = _shares(spec)
            self._levels[name] = level
            level.configure(limits_of(spec, seats=self.seats, total=total))
        self.rack[:] = self._levels.values()  # a level that is gone ends by itself, with its last request


def _with_fixed(cache: ResourceCache, fixed: Mapping[str, Obj]) -> dict[str, tuple[str, Obj]]:
    """(uid, spec) by name, of what is stored and of what must be there even so."""
    found = {name: ("", spec) for name, spec in fixed.items()}
    for entry in cache.entries():
        metadata, spec = entry.obj["metadata"], entry.obj["spec"]
        if (mandatory := fixed.get(entry.name)) is not None and mandatory.get("type") != "Exempt":
            spec = mandatory
        found[entry.name] = (metadata.get("uid", ""), spec)
    return found


def _part(spec: Obj) -> Obj:
    part: Obj = spec.get("exempt" if spec.get("type") == "Exempt" else "limited") or {}
    return part


def _shares(spec: Obj) -> int:
    default = 0 if spec.get("type") == "Exempt" else 30
    shares = _part(spec).get("nominalConcurrencyShares")
    return default if shares is None else int(shares)


def limits_of(spec: Obj, *, seats: int, total: int) -> Limits:
    """The seats of one level out of the server's `seats`, where all levels together have `total` shares."""
    part = _part(spec)
    nominal = ceil(seats * _shares(spec) / total) if total else seats
    percent = part.get("borrowingLimitPercent")
    queuing = (part.get("limitResponse") or {}).get("queuing") or {}
    return Limits(
        nominal=nominal,
        lendable=round(nominal * (part.get("lendablePercent") or 0) / 100),
        borrowing=None if percent is None else round(nominal * percent / 100),
        queues=queuing.get("queues", 0),
        hand=queuing.get("handSize", 0),
        queue_length=queuing.get("queueLengthLimit", 0),
    )
