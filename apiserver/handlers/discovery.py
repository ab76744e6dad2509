"""What is served: /api, /apis and below, group by group (legacy) or all at once (aggregated). Made anew when the registry changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from apiserver.aggregation import priorities, registration
from apiserver.aggregation.aggregation import Aggregation
from apiserver.aggregation.documents import Remote
from apiserver.api import Api
from apiserver.interfaces import NoSuchPath
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.representation import check_accept, respond
from apiserver.request import Request, Response
from pocketkube.api.kinds.kind import Kind, Subresource
from pocketkube.api.meta import errors, versions

Obj = dict[str, Any]

_TWO_FORMS = ((b"vary", b"Accept"),)
_AGGREGATED = "apidiscovery.k8s.io"


class Local:
    """A version of a group that this server answers."""

    def __init__(self, resources: list[Resource]):
        self.resources = resources

    def entries(self) -> list[Obj]:
        """Of its APIResourceList."""
        return [entry for resource in self.resources for entry in _entries(resource.kind)]

    def described(self) -> Obj:
        """Of its APIGroupDiscovery, without the version's name."""
        return {"resources": [_resource_discovery(r.kind) for r in self.resources], "freshness": "Current"}


Version = Local | Remote


class Discovery:
    """All documents of one generation of what is served, each made when first asked for."""

    def __init__(self, registry: Registry, aggregation: Aggregation):
        self.revision = registry.generation, aggregation.revision
        self._specs = aggregation.priorities()
        served: dict[str, dict[str, Version]] = {}
        local: dict[tuple[str, str], list[Resource]] = {}
        for resource in registry.resources():
            local.setdefault((resource.group, resource.kind.version), []).append(resource)
        for (group, version), resources in local.items():
            served.setdefault(group, {})[version] = Local(resources)
        for (group, version), service in aggregation.services.items():
            served.setdefault(group, {})[version] = Remote(service)
        self.groups: dict[str, dict[str, Version]] = {}
        for group, offered in served.items():
            ordered = sorted(offered, key=lambda v: self._version_order(group, v, offered[v]))
            self.groups[group] = {version: offered[version] for version in ordered}
        self._aggregated: dict[tuple[bool, str], tuple[bytes, bytes]] = {}

    def _priority(self, group: str, version: str) -> tuple[int, int]:
        spec = self._specs.get((group, version))
        if spec is None:
            return priorities.builtin(group, version)
        return int(spec.get("groupPriorityMinimum") or 0), int(spec.get("versionPriority") or 0)

    def _version_order(self, group: str, version: str, served: Version) -> tuple[Any, ...]:
        resources = served.resources if isinstance(served, Local) else ()
        return -self._priority(group, version)[1], *version_order(version, resources)

    def _group_order(self, group: str) -> tuple[bool, int, str]:
        return group != registration.GROUP, -max(self._priority(group, v)[0] for v in self.groups[group]), group

    def named_groups(self) -> list[str]:
        """Every group but the core one: the aggregator's own first, then by priority."""
        return sorted((group for group in self.groups if group), key=self._group_order)

    def group(self, name: str) -> Obj | None:
        """APIGroup without its kind."""
        versions = self.groups.get(name)
        if not versions:
            return None
        listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
        return {"name": name, "versions": listed, "preferredVersion": listed[0]}

    def resources(self, group: str, version: str) -> list[Obj] | None:
        """The entries of an APIResourceList."""
        found = self.groups.get(group, {}).get(version)
        return None if found is None else found.entries()

    def aggregated(self, core: bool, version: str) -> tuple[bytes, bytes]:
        """(APIGroupDiscoveryList, its ETag) in a version of apidiscovery.k8s.io."""
        made = self._aggregated.get((core, version))
        if made is None:
            names = [""] if core else self.named_groups()
            items = [_group_discovery(name, self.groups.get(name, {})) for name in names]
            value = {
                "kind": "APIGroupDiscoveryList",
                "apiVersion": f"{_AGGREGATED}/{version}",
                "metadata": {},
                "items": items,
            }
            data = orjson.dumps(value)
            etag = b'"%b"' % hashlib.sha512(data).hexdigest().upper().encode()
            made = self._aggregated[core, version] = (data, etag)
        return made


def version_order(version: str, resources: Iterable[Resource]) -> tuple[int, int, int, int, str]:
    """Sorts the preferred version first: by the kinds' priority, then v2, v1, v1beta2, v1alpha1."""
    priority = max((r.kind.priority for r in resources), default=0)
    return (-priority, *versions.order(version))


def _entries(kind: Kind) -> list[Obj]:
    entry: Obj = {
        "name": kind.plural,
        "singularName": kind.singular or kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if "watch" in kind.verbs:
        entry["storageVersionHash"] = _hash(kind)
    return [entry, *(_subresource_entry(kind, sub) for sub in kind.subresources)]


def _hash(kind: Kind) -> str:
    import base64

    text = f"{kind.group}/{kind.storage_version or kind.version}/{kind.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _subresource_entry(kind: Kind, sub: Subresource) -> Obj:
    entry: Obj = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": sub.kind or kind.kind,
        "verbs": sorted(sub.verbs),
    }
    if sub.group:
        entry |= {"group": sub.group, "version": sub.version}
    return entry


def _group_discovery(name: str, versions: dict[str, Version]) -> Obj:
    listed = [{"version": version, **served.described()} for version, served in versions.items()]
    metadata: Obj = {"creationTimestamp": None}
    return {"metadata": {"name": name, **metadata} if name else metadata, "versions": listed}


def _resource_discovery(kind: Kind) -> Obj:
    entry: Obj = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular or kind.kind.lower(),
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [_subresource_discovery(kind, sub) for sub in kind.subresources]
    return entry


def _subresource_discovery(kind: Kind, sub: Subresource) -> Obj:
    response = {
        "group": sub.group if sub.kind else kind.group,
        "version": sub.version or kind.version,
        "kind": sub.kind or kind.kind,
    }
    return {"subresource": sub.name, "responseKind": response, "verbs": sorted(sub.verbs)}


_current: dict[int, Discovery] = {}


def current(api: Api) -> Discovery:
    """The documents of what is served now."""
    made = _current.get(id(api.registry))
    if made is None or made.revision != (api.registry.generation, api.aggregation.revision):
        made = _current[id(api.registry)] = Discovery(api.registry, api.aggregation)
    return made


def _wanted(request: Request) -> str:
    """v2 or v2beta1 if the client would rather have everything at once, in its own order; "" for the legacy form."""
    for clause in request.header(b"accept").decode("latin-1").split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in ("application/json", "*/*", "application/*"):
            continue
        values = dict(p.split("=", 1) for p in parameters if "=" in p)
        if values.get("g") != _AGGREGATED and "as" not in values:
            return ""
        known = values.get("g") == _AGGREGATED and values.get("as") == "APIGroupDiscoveryList"
        if known and values.get("v") in ("v2", "v2beta1"):
            return values["v"]
    return ""


def _all_at_once(api: Api, request: Request, version: str, *, core: bool) -> Response:
    data, etag = current(api).aggregated(core, version)
    headers = [(b"etag", etag), (b"vary", b"Accept")]
    kind = f"application/json;g={_AGGREGATED};v={version};as=APIGroupDiscoveryList".encode()
    if request.header(b"if-none-match") == etag:  # clients keep the headers of this answer for the one they have
        return Response(b"", status=304, content_type=kind, headers=headers)
    return Response(data, content_type=kind, headers=headers)


def _legacy(request: Request, value: Obj) -> Response:
    check_accept(request)
    return respond(request, value)


async def core(api: Api, request: Request) -> Response:
    """/api"""
    if version := _wanted(request):
        return _all_at_once(api, request, version, core=True)
    address = f"{api.options.advertise_address or api.options.bind_address}:{api.options.secure_port}"
    served = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    answer = _legacy(request, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": served})
    answer.headers = list(_TWO_FORMS)
    return answer


async def groups(api: Api, request: Request) -> Response:
    """/apis"""
    if version := _wanted(request):
        return _all_at_once(api, request, version, core=False)
    found = current(api)
    listed = [found.group(name) for name in found.named_groups()]
    answer = _legacy(request, {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
    answer.headers = list(_TWO_FORMS)
    return answer


async def group(api: Api, request: Request, name: str) -> Response:
    """/apis/GROUP"""
    found = current(api).group(name)
    if found is None:
        raise NoSuchPath
    return _legacy(request, {"kind": "APIGroup", "apiVersion": "v1", **found})


async def resources(api: Api, request: Request, version: str, group: str = "") -> Response:
    """/api/v1, /apis/GROUP/VERSION"""
    found = current(api).resources(group, version)
    if found is None:
        if api.registry.is_builtin(group):
            raise errors.NotFound("the server could not find the requested resource")
        raise NoSuchPath
    name = f"{group}/{version}" if group else version
    value: Obj = {"kind": "APIResourceList", "groupVersion": name, "resources": found}
    return _legacy(request, {"apiVersion": "v1", **value} if group else value)
