"""Which resources the API server serves, with their verbs: two requests in the aggregated form, one a group in the old one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pocketkube.api.meta import errors
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client

Obj = dict[str, Any]

_ACCEPT = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}


@dataclass(frozen=True, slots=True)
class Served:
    """A resource in its group's preferred version."""

    resource: Resource
    verbs: frozenset[str]

    def can(self, *verbs: str) -> bool:
        return self.verbs.issuperset(verbs)


@dataclass(frozen=True, slots=True)
class Discovery:
    """`failed` names group versions whose server did not answer: their resources are not in `served`."""

    served: tuple[Served, ...]
    failed: tuple[str, ...] = ()

    def by_kind(self) -> dict[tuple[str, str], Resource]:
        """(group, kind) -> resource: how owner references are resolved."""
        return {(s.resource.group, s.resource.kind): s.resource for s in reversed(self.served)}


async def discover(client: Client) -> Discovery:
    core = await client.request("GET", "/api", headers=_ACCEPT)
    groups = await client.request("GET", "/apis", headers=_ACCEPT)
    if core.get("kind") == "APIGroupDiscoveryList" and groups.get("kind") == "APIGroupDiscoveryList":
        return parse([*core.get("items", ()), *groups.get("items", ())])
    return await _old_form(client, groups)


def parse(groups: Iterable[Obj]) -> Discovery:
    """Items of an APIGroupDiscoveryList. A resource served in several versions comes once, in the first that has it."""
    served: dict[tuple[str, str], Served] = {}
    failed: list[str] = []
    for group in groups:
        name = (group.get("metadata") or {}).get("name", "")
        for version in group.get("versions") or ():
            if version.get("freshness") == "Stale":  # what it has told before may not be asked for now
                failed.append(f"{name}/{version['version']}")
                continue
            for found in version.get("resources") or ():
                kind = found.get("responseKind") or {}
                resource = Resource(
                    name, version["version"], found["resource"], kind.get("kind", ""), found["scope"] == "Namespaced"
                )
                served.setdefault((name, resource.plural), Served(resource, frozenset(found.get("verbs") or ())))
    return Discovery(tuple(served.values()), tuple(failed))


async def _old_form(client: Client, groups: Obj) -> Discovery:
    """An APIResourceList a group version, for servers before aggregated discovery."""
    served: dict[tuple[str, str], Served] = {}
    failed: list[str] = []
    versions = [("", "v1", "/api/v1")]
    for group in groups.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("version")
        ordered = sorted(group.get("versions") or (), key=lambda v: v["version"] != preferred)
        versions += [(group["name"], v["version"], f"/apis/{v['groupVersion']}") for v in ordered]
    for name, version, path in versions:
        try:
            listed = await client.request("GET", path)
        except errors.StatusError:
            failed.append(f"{name}/{version}" if name else version)
            continue
        for found in listed.get("resources") or ():
            if "/" not in found["name"]:
                resource = Resource(name, version, found["name"], found["kind"], bool(found["namespaced"]))
                served.setdefault((name, resource.plural), Served(resource, frozenset(found.get("verbs") or ())))
    return Discovery(tuple(served.values()), tuple(failed))
