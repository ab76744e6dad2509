"""APIServices of the groups that this server answers itself: built-in ones once at the start, those of CRDs as they come and go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.aggregation import priorities
from apiserver.aggregation.priorities import Priority
from apiserver.interfaces import Cluster
from apiserver.registry import deletion
from apiserver.registry.registry import Registry
from apiserver.registry.writer import Writer
from pocketkube.api.meta import errors, objects

log = logging.getLogger(__name__)

Obj = dict[str, Any]

GROUP, PLURAL = "apiregistration.k8s.io", "apiservices"
CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"


def name_of(group: str, version: str) -> str:
    return f"{version}.{group}"


def local(group: str, version: str, priority: Priority, *, managed: str) -> Obj:
    """An APIService without a service: this server answers."""
    spec: Obj = {"version": version, "groupPriorityMinimum": priority.group, "versionPriority": priority.version}
    return {
        "kind": "APIService",
        "apiVersion": f"{GROUP}/v1",
        "metadata": {"name": name_of(group, version), "labels": {MANAGED: managed}},
        "spec": {"group": group, **spec} if group else spec,
    }


def builtin(registry: Registry) -> list[Obj]:
    """Of everything but custom resources and the aggregator's own group."""
    found = {(r.group, r.kind.version) for r in registry.resources() if not r.kind.custom and r.group != GROUP}
    return [local(g, v, priorities.builtin(g, v), managed=ON_START) for g, v in sorted(found)]


def custom(crds: Iterable[Obj]) -> dict[str, Obj]:
    """Of the served versions of established CRDs, by name."""
    made: dict[str, Obj] = {}
    for crd in crds:
        if not objects.is_true(crd, "Established"):
            continue
        group = crd["spec"]["group"]
        for version in crd["spec"]["versions"]:
            if version.get("served"):
                service = local(group, version["name"], priorities.CUSTOM, managed=ALWAYS)
                made[service["metadata"]["name"]] = service
    return made


async def register(cluster: Cluster, registry: Registry) -> None:
    """Make those of built-in groups that are not there, and delete those of groups that are served no more.

    Whoever deletes one has it back at the next start."""
    wanted = {service["metadata"]["name"]: service for service in builtin(registry)}
    for service in wanted.values():
        await _make(cluster, service)
    await _delete(registry, leftover(wanted, cluster.list(GROUP, PLURAL), managed=ON_START))


async def follow_crds(cluster: Cluster, registry: Registry) -> None:
    """One pass: make what CRDs need, delete what none needs any more. What users made is theirs."""
    wanted = custom(cluster.list(*CRDS))
    for service in wanted.values():
        await _make(cluster, service)
    await _delete(registry, leftover(wanted, cluster.list(GROUP, PLURAL), managed=ALWAYS))


def leftover(wanted: Mapping[str, Obj], known: Iterable[Obj], *, managed: str) -> list[str]:
    """The names of those that this server made, and nothing needs any more."""
    return [
        service["metadata"]["name"]
        for service in known
        if service["metadata"]["name"] not in wanted
        and (service["metadata"].get("labels") or {}).get(MANAGED) == managed
    ]


async def _delete(registry: Registry, names: Iterable[str]) -> None:
    for name in names:
        try:
            await deletion.delete(registry, registry.by_plural(GROUP, PLURAL), Writer(), {}, namespace="", name=name)
        except errors.NotFound:
            continue


async def _make(cluster: Cluster, service: Obj) -> None:
    if cluster.get(GROUP, PLURAL, "", service["metadata"]["name"]) is not None:
        return
    try:
        await cluster.create(GROUP, PLURAL, "", service)
    except errors.AlreadyExists:
        return  # another server was faster
