"""What a loop is and what it is given: caches to read from, a client of its own identity to write with, a clock, options."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.options import Options
from pocketkube.base.clock import Clock
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informer, Informers
from pocketkube.client.resources import PODS, Resource
from pocketkube.client.rest import Client

Obj = dict[str, Any]
Run = Coroutine[Any, Any, None]


def controller_uid(obj: Obj) -> Iterable[str]:
    """The uid of the object's controller, or `orphan/<namespace>`: what adoption searches."""
    metadata = obj["metadata"]
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return (reference["uid"],)
    return (orphans_in(metadata.get("namespace", "")),)


def orphans_in(namespace: str) -> str:
    return f"orphan/{namespace}"


def _namespace(obj: Obj) -> Iterable[str]:
    return (obj["metadata"].get("namespace", ""),)


def _node_name(obj: Obj) -> Iterable[str]:
    name = obj["spec"].get("nodeName")
    return (name,) if name else ()


_INDEXERS: Mapping[str, Callable[[Obj], Iterable[str]]] = {"controller": controller_uid, "namespace": _namespace}
_POD_INDEXERS: Mapping[str, Callable[[Obj], Iterable[str]]] = {**_INDEXERS, "node": _node_name}


@dataclass(frozen=True)
class Context:
    """One loop's world. `client` writes as the loop's own service account; `informers` are shared by all loops."""

    client: Client
    informers: Informers
    events: EventRecorder
    clock: Clock
    options: Options
    manager_client: Client  # the manager's own identity, for what no service account may do
    watched: set[Resource]  # resources with a shared cache of all objects, by any loop

    def informer(self, resource: Resource) -> Informer:
        """The shared cache of a resource, indexed by `controller`, `namespace` and, for pods, `node`."""
        self.watched.add(resource)
        return self.informers.of(resource, indexers=_POD_INDEXERS if resource == PODS else _INDEXERS)

    def event(self, resource: Resource, obj: Obj, type: str, reason: str, message: str) -> None:
        """Records an event; items of a list carry no kind, so the resource names it."""
        self.events.event({**obj, "apiVersion": resource.api_version, "kind": resource.kind}, type, reason, message)


@dataclass(frozen=True, slots=True)
class Controller:
    """A loop as the manager sees it. `start` registers its handlers at once and returns what runs until cancelled."""

    name: str  # as in --controllers
    service_account: str  # in kube-system; "" runs as the manager itself
    start: Callable[[Context], Run]
    enabled: bool = True  # part of "*"
    aliases: tuple[str, ...] = ()  # names of older releases
    events: str = ""  # the component that its events name; "" is the service account
