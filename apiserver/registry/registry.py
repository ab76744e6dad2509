"""Every served resource by path and by plural, over one store and one watch cache. Built-in kinds and CRDs are the same here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from apiserver.interfaces import AdmissionChain
from apiserver.registry.contention import Contention
from apiserver.registry.resource import Resource
from apiserver.registry.strategy import Strategy
from apiserver.storage.cache import Entry, ResourceCache, WatchCache
from apiserver.storage.interface import Store, Stored
from apiserver.storage.resource import Position
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors
from pocketkube.base import plugins
from pocketkube.base.clock import Clock, SystemClock

# Whose DELETE answers the deleted object instead of a Status, beside those with a strategy of their own.
_RETURNED = frozenset(
    (
        "persistentvolumes", "persistentvolumeclaims", "podtemplates", "resourcequotas", "serviceaccounts", "storageclasses",
        "volumeattachments", "csinodes",
    )
)  # fmt: skip
_PINNED = frozenset(
    (
        "namespaces", "roles", "rolebindings", "clusterroles", "clusterrolebindings", "priorityclasses",
        "storageclasses", "resourcequotas", "limitranges", "serviceaccounts", "apiservices", "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations", "runtimeclasses", "servicecidrs", "flowschemas", "prioritylevelconfigurations",
    )
)  # fmt: skip


class NoAdmission:
    """Admits everything unchanged."""

    async def mutate(self, request: object) -> None:
        """Nothing."""

    async def validate(self, request: object) -> None:
        """Nothing."""


class Registry:
    """`generation` rises whenever the set of served resources changes: discovery and OpenAPI are made anew then."""

    def __init__(
        self,
        store: Store,
        cache: WatchCache,
        *,
        strategies: Iterable[type[Strategy]] | None = None,  # None: all there are
        clock: Clock | None = None,
        event_ttl: int = 3600,
        service_range: str = "10.96.0.0/12",
        node_ports: range = range(30000, 32768),
    ):
        self.store = store
        self.cache = cache
        self.clock = clock or SystemClock()
        self.event_ttl = event_ttl  # seconds
        self.service_range = service_range
        self.node_ports = node_ports
        self.admission: AdmissionChain = NoAdmission()
        self.contention = Contention()
        self.generation = 0
        if strategies is None:
            strategies = plugins.scan("apiserver.registry.strategies", "STRATEGY").values()
        self._strategies: Mapping[tuple[str, str], type[Strategy]] = {(s.group, s.plural): s for s in strategies}
        self._made: dict[tuple[str, str], Strategy] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._served: dict[tuple[str, str, str], Resource] = {}
        self._by_plural: dict[tuple[str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str, str], Kind] = {}
        self._own: set[tuple[str, str]] = set()  # (group, version) that come with the server

    # What is served

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._served.get((group, version, plural))

    def by_plural(self, group: str, plural: str) -> Resource:
        """The resource in its stored version. Raises NotFound."""
        found = self._by_plural.get((group, plural))
        if found is None:
            raise errors.NotFound("the server could not find the requested resource")
        return found

    def resources(self) -> list[Resource]:
        """Everything served, by group, version and plural."""
        return [self._served[key] for key in sorted(self._served)]

    def is_builtin(self, group: str) -> bool:
        """Whether any kind of the group comes with the server."""
        return any(r.group == group and not r.kind.custom for r in self._served.values())

    def is_own(self, group: str, version: str) -> bool:
        """Whether the server answers all of a group's version itself: nothing can be added to it."""
        return (group, version) in self._own

    def kind_of(self, group: str, version: str, kind: str) -> Kind | None:
        return self._by_kind.get((group, version, kind))

    def add(self, kinds: Iterable[Kind]) -> list[Resource]:
        """Serve kinds; versions of one kind share their storage. Registered kinds are replaced."""
        given = list(kinds)
        added = []
        for kind in given:
            stored = self._stored(kind, given)
            prefix = storage_prefix(stored)
            cache = self._cache(stored, prefix)
            resource = Resource(kind, stored, cache=cache, prefix=prefix, strategy=self._strategy(kind))
            self._served[kind.group, kind.version, kind.plural] = resource
            self._by_kind[kind.group, kind.version, kind.kind] = kind
            if not kind.custom:
                self._own.add((kind.group, kind.version))
            if kind is stored or (kind.group, kind.plural) not in self._by_plural:
                self._by_plural[kind.group, kind.plural] = resource
            added.append(resource)
        self._changed()
        return added

    def _changed(self) -> None:
        self.generation += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def change(self) -> None:
        """Until the set of served resources changes."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _cache(self, stored: Kind, prefix: str) -> ResourceCache:
        if "watch" not in stored.verbs:  # reviews and the like are never stored
            return ResourceCache(
                prefix, Position(), api_version=stored.api_version, kind=stored.kind, namespaced=stored.namespaced
            )
        return self.cache.register(
            prefix,
            api_version=stored.api_version,
            kind=stored.kind,
            namespaced=stored.namespaced,
            fields=stored.selectable,
            pinned=stored.plural in _PINNED,
        )

    def remove(self, resource: Resource, *, forget: bool = False) -> None:
        """Serve it no more. `forget`: nor keep its objects in memory, for the last version of a kind."""
        self._served.pop((resource.group, resource.kind.version, resource.plural), None)
        if self._by_kind.get((resource.group, resource.kind.version, resource.kind.kind)) is resource.kind:
            del self._by_kind[resource.group, resource.kind.version, resource.kind.kind]
        if self._by_plural.get((resource.group, resource.plural)) is resource:
            del self._by_plural[resource.group, resource.plural]
        if forget:
            self.cache.unregister(resource.prefix)
        self._changed()

    def _stored(self, kind: Kind, given: list[Kind]) -> Kind:
        """The kind whose form is kept: of the storage version, and of the group that shares the prefix first."""
        prefix = storage_prefix(kind)
        for other in given:
            if storage_prefix(other) == prefix and other.storage_version in ("", other.version):
                return other
        return kind

    def _strategy(self, kind: Kind) -> Strategy:
        key = (kind.group, kind.plural)
        if key not in self._made or kind.custom:  # versions of a custom resource may differ in what they have
            made = self._made[key] = self._strategies.get(key, Strategy)(self)
            made.keeps_status, made.resets = kind.has_status, kind.resets
            made.returns_deleted = made.returns_deleted or (kind.plural in _RETURNED and not kind.custom)
        return self._made[key]

    # What is stored

    async def live(self, resource: Resource, namespace: str, name: str) -> Entry | None:
        """An object from the store itself."""
        stored = await self.store.get(resource.key(namespace, name))
        return self.entry(resource, stored) if stored else None

    def entry(self, resource: Resource, stored: Stored) -> Entry:
        return resource.cache.entry(stored.key, stored.value, revision=stored.revision)


def storage_prefix(kind: Kind) -> str:
    """`/registry/pods/`, `/registry/example.com/widgets/`."""
    folder = kind.storage_prefix or (f"{kind.group}/{kind.plural}" if kind.custom else kind.plural)
    return f"/registry/{folder}/"
