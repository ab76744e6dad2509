"""Which resources a server has, and which of them a word means: `po`, `pod`, `pods`, `deployments.apps`, `Deployment.v1.apps`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubectl.errors import CommandError
from pocketkube.api.meta.errors import NotAcceptable, NotFound
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client

Obj = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class Found:
    """A resource with what discovery says of it. `preferred` is true in the group's preferred version."""

    resource: Resource
    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    verbs: tuple[str, ...]
    subresources: tuple[str, ...]
    preferred: bool


class Discovery:
    """Reads the server's answer once, in the aggregated form where it has one."""

    def __init__(self, client: Client):
        self._client = client
        self._all: list[Found] | None = None
        self.groups: list[str] = []  # every group/version, in the server's order

    async def all(self) -> list[Found]:
        if self._all is None:
            documents = await asyncio.gather(*(self._document(path) for path in ("/api", "/apis")))
            self._all = [f for document in documents for f in await self._read(document)]
        return self._all

    async def _document(self, path: str) -> Obj:
        return await self._client.request("GET", path, headers={"Accept": AGGREGATED})

    async def _read(self, document: Obj) -> list[Found]:
        if document.get("kind") == "APIGroupDiscoveryList":
            return [f for item in document.get("items") or () for f in self._aggregated(item)]
        if "versions" in document:
            return await self._legacy("", document["versions"], "v1")
        found = []
        for group in document.get("groups") or ():
            versions = [v["version"] for v in group["versions"]]
            found += await self._legacy(group["name"], versions, group["preferredVersion"]["version"])
        return found

    def _aggregated(self, item: Obj) -> Iterable[Found]:
        group = item["metadata"].get("name", "")
        for index, version in enumerate(item.get("versions") or ()):
            self.groups.append(f"{group}/{version['version']}" if group else version["version"])
            for r in version.get("resources") or ():
                kind = (r.get("responseKind") or {}).get("kind", "")
                resource = Resource(group, version["version"], r["resource"], kind, r["scope"] == "Namespaced")
                subs = tuple(s["subresource"] for s in r.get("subresources") or ())
                yield _found(resource, r, singular=r.get("singularResource", ""), subs=subs, preferred=index == 0)

    async def _legacy(self, group: str, versions: list[str], preferred: str) -> list[Found]:
        found: list[Found] = []
        for version in versions:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            self.groups.append(f"{group}/{version}" if group else version)
            try:
                listed = (await self._client.request("GET", path)).get("resources") or ()
            except (NotFound, NotAcceptable):
                continue
            for r in (r for r in listed if "/" not in r["name"]):
                subs = tuple(s["name"].split("/", 1)[1] for s in listed if s["name"].startswith(r["name"] + "/"))
                resource = Resource(group, version, r["name"], r["kind"], r["namespaced"])
                found.append(
                    _found(resource, r, singular=r.get("singularName", ""), subs=subs, preferred=version == preferred)
                )
        return found

    async def find(self, word: str) -> Found:
        """The resource that a word means; core and preferred versions first. Raises as kubectl does for an unknown one."""
        name, _, rest = word.partition(".")
        wanted = name.lower()
        best: Found | None = None
        for found in await self.all():
            r = found.resource
            if wanted not in (r.plural, found.singular, r.kind.lower(), *found.short_names):
                continue
            if rest and rest not in (r.group, f"{r.version}.{r.group}") and not (rest == r.version and not r.group):
                continue
            if best is None or (found.preferred and not best.preferred):
                best = found
        if best is None:
            raise CommandError(f'the server doesn\'t have a resource type "{word}"')
        return best

    async def expand(self, word: str) -> list[Found]:
        """A word, a comma-separated list, or a category such as `all`."""
        out: list[Found] = []
        for part in word.split(","):
            grouped = [f for f in await self.all() if part in f.categories and f.preferred and "list" in f.verbs]
            out += grouped or [await self.find(part)]
        return out

    async def of_object(self, obj: Obj) -> Found:
        """The resource of a manifest, by its apiVersion and kind."""
        version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
        for found in await self.all():
            if found.resource.kind == kind and found.resource.api_version == version and "create" in found.verbs:
                return found
        for found in await self.all():
            if found.resource.kind == kind and found.resource.api_version == version:
                return found
        raise CommandError(
            f'resource mapping not found for name: "{obj.get("metadata", {}).get("name", "")}" namespace: '
            f'"{obj.get("metadata", {}).get("namespace", "")}": no matches for kind "{kind}" in version "{version}"\n'
            "ensure CRDs are installed first"
        )


def _found(resource: Resource, r: Obj, *, singular: str, subs: tuple[str, ...], preferred: bool) -> Found:
    return Found(
        resource=resource,
        singular=singular or resource.kind.lower(),
        short_names=tuple(r.get("shortNames") or ()),
        categories=tuple(r.get("categories") or ()),
        verbs=tuple(r.get("verbs") or ()),
        subresources=subs,
        preferred=preferred,
    )
