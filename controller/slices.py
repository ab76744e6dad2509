"""Which EndpointSlices to create, change and delete so that a service's endpoints are published. Pure.

Few writes matter more than full slices: endpoints stay in the slice they are in; new ones go to a slice that is written
anyway, then to one with room, and only then to a new one. Example, at most 2 a slice, of desired a b c d:

    slice-1: a x   slice-2: b          (x is gone)
    slice-1: a c   slice-2: b d        slice-1 is written anyway, so c fills it; d needs one more write
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]
Ports = tuple[tuple[str, int | None, str, str | None], ...]  # (name, number, protocol, appProtocol), in order

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[Obj, ...] = ()
    update: tuple[Obj, ...] = ()
    delete: tuple[Obj, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """What all slices of one service share."""

    prefix: str  # of generated names
    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: Obj
    most: int = 100  # endpoints a slice


def ports_of(slice: Obj) -> Ports:
    return tuple(
        (p.get("name") or "", p.get("port"), p.get("protocol") or "TCP", p.get("appProtocol"))
        for p in slice.get("ports") or ()
    )


def _identity(endpoint: Obj) -> tuple[Any, ...]:
    """One endpoint through time: its addresses and whom it stands for."""
    target = endpoint.get("targetRef") or {}
    return (*endpoint["addresses"], target.get("uid") or target.get("name") or endpoint.get("hostname") or "")


def plan(form: Form, desired: Mapping[tuple[str, Ports], Sequence[Obj]], existing: Sequence[Obj]) -> Plan:
    """`desired` maps (address type, ports) to endpoints. An existing slice of any other sort is deleted.

    A map entry without endpoints stands for the empty slice that says "known, but nobody there"."""
    groups: dict[tuple[str, Ports], list[Obj]] = {key: [] for key in desired}
    stale: list[Obj] = []
    for found in existing:
        if found["metadata"].get("deletionTimestamp"):
            continue
        groups.get((found["addressType"], ports_of(found)), stale).append(found)
    create: list[Obj] = []
    update: list[Obj] = []
    delete: list[Obj] = []
    for key, slices in groups.items():
        done = _plan_group(form, key, desired[key], slices)
        create += done.create
        update += done.update
        delete += done.delete
    while create and stale:  # a stale slice takes a new content: one write instead of two
        index = next((i for i, s in enumerate(stale) if s["addressType"] == create[-1]["addressType"]), None)
        if index is None:
            break
        reused = stale.pop(index)
        fresh = create.pop()
        update.append({**fresh, "metadata": _metadata(form, reused)})
    return Plan(tuple(create), tuple(update), tuple(delete + stale))


def _plan_group(form: Form, key: tuple[str, Ports], endpoints: Sequence[Obj], slices: Sequence[Obj]) -> Plan:
    wanted = {_identity(e): e for e in endpoints}
    kept: list[tuple[Obj, list[Obj]]] = []  # (slice, the endpoints that stay in it)
    for found in slices:
        stay = [wanted.pop(i) for e in found.get("endpoints") or () if (i := _identity(e)) in wanted]
        kept.append((found, stay))
    left = list(wanted.values())
    _place(form, kept, left)
    update: list[Obj] = []
    delete: list[Obj] = []
    for found, stay in kept:
        alone = not endpoints and len(delete) < len(kept) - 1
        if not stay and (endpoints or alone):
            delete.append(found)
        elif (written := _written(form, key, found, stay)) != found:
            update.append(written)
    create = [_new(form, key, left[i : i + form.most]) for i in range(0, len(left), form.most)]
    if not endpoints and not kept:
        create.append(_new(form, key, []))
    return Plan(tuple(create), tuple(update), tuple(delete))


def _place(form: Form, kept: Sequence[tuple[Obj, list[Obj]]], left: list[Obj]) -> None:
    """Moves what is left into slices with room: those that change anyway first, then the fullest."""

    def order(entry: tuple[Obj, list[Obj]]) -> tuple[bool, int]:
        found, stay = entry
        return stay == (found.get("endpoints") or []), -len(stay)

    changes = sorted((e for e in kept if e[1]), key=order)
    for _, stay in [*changes, *(e for e in kept if not e[1])]:
        room = form.most - len(stay)
        stay += left[:room]
        del left[:room]


def _metadata(form: Form, found: Obj) -> Obj:
    metadata = found["metadata"]
    annotations = {**(metadata.get("annotations") or {}), **form.annotations}
    return {**metadata, "labels": dict(form.labels), **({"annotations": annotations} if annotations else {})}


def _written(form: Form, key: tuple[str, Ports], found: Obj, endpoints: list[Obj]) -> Obj:
    """`found` itself when nothing but the annotations would change."""
    same = endpoints == (found.get("endpoints") or []) and dict(form.labels) == (found["metadata"].get("labels") or {})
    return found if same else {**_body(key, endpoints), "metadata": _metadata(form, found)}


def _new(form: Form, key: tuple[str, Ports], endpoints: list[Obj]) -> Obj:
    metadata: Obj = {
        "generateName": form.prefix,
        "namespace": form.namespace,
        "labels": dict(form.labels),
        "ownerReferences": [form.owner],
    }
    if form.annotations:
        metadata["annotations"] = dict(form.annotations)
    return {**_body(key, endpoints), "metadata": metadata}


def _body(key: tuple[str, Ports], endpoints: list[Obj]) -> Obj:
    kind, ports = key
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": kind,
        "endpoints": endpoints,
        "ports": [_port(*p) for p in ports],
    }


def _port(name: str, number: int | None, protocol: str, app_protocol: str | None) -> Obj:
    port: Obj = {"name": name, "protocol": protocol}
    if number is not None:
        port["port"] = number
    if app_protocol:
        port["appProtocol"] = app_protocol
    return port
