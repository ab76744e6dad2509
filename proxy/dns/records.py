"""Names of a cluster, by the Kubernetes DNS specification 1.1: pure look-ups in what the informers hold.

web.shop.svc.cluster.local              A of the cluster IP; of every ready endpoint where headless
a.web.shop.svc.cluster.local            A of the endpoint whose hostname is `a`
_http._tcp.web.shop.svc.cluster.local   SRV of the named port
10-244-0-7.shop.pod.cluster.local       A of that address
1.0.96.10.in-addr.arpa                  PTR back to the service or endpoint
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]

TTL = 5  # seconds: endpoints move
VERSION = "1.1.0"


@dataclass(frozen=True, slots=True)
class Record:
    """`data` is an address for A, a name for CNAME and PTR, (priority, weight, port, name) for SRV, text for TXT."""

    name: str
    type: str
    data: Any
    ttl: int = TTL


@dataclass(frozen=True, slots=True)
class Answer:
    """`exists` False is NXDOMAIN; an existing name without records of the type asked for is an empty answer."""

    exists: bool
    records: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)


NOTHING = Answer(False)


@dataclass(frozen=True, kw_only=True)
class View:
    """How records are found: by namespace/name, by address, by service. All read shared objects and change none."""

    domain: str
    service: Callable[[str], Obj | None]
    slices: Callable[[str], Iterable[Obj]]
    namespace_exists: Callable[[str], bool]
    services_by_ip: Callable[[str], Iterable[Obj]]
    endpoints_by_ip: Callable[[str], Iterable[Obj]]


def is_ours(name: str, view: View) -> bool:
    """Whether this name is answered here, even with "no such name"; else it is forwarded."""
    return name == view.domain or name.endswith("." + view.domain)


def resolve(name: str, kind: str, view: View) -> Answer:
    """The answer to one question. `name` is lower-case without the final dot; `kind` is A, AAAA, SRV, PTR, TXT, CNAME or ANY."""
    labels = name.removesuffix(view.domain).rstrip(".").split(".") if name != view.domain else []
    match labels:
        case []:
            return Answer(True)
        case ["dns-version"]:
            return Answer(True, _wanted([Record(name, "TXT", VERSION, 3600)], kind))
        case ["svc"] | ["pod"]:
            return Answer(True)
        case [namespace, "svc" | "pod"]:
            return Answer(view.namespace_exists(namespace))
        case [address, _, "pod"]:
            return _pod(name, address, kind=kind)
        case [*front, service, namespace, "svc"]:
            return _service(name, front, f"{namespace}/{service}", kind=kind, view=view)
    return NOTHING


def _wanted(records: list[Record], kind: str) -> list[Record]:
    return [r for r in records if kind in (r.type, "ANY") or r.type == "CNAME"]


def _pod(name: str, address: str, *, kind: str) -> Answer:
    """The name says the address; that such a pod lives is not promised, as upstream's default."""
    try:
        ip = str(ipaddress.IPv4Address(address.replace("-", ".")))
    except ValueError:
        return NOTHING
    return Answer(True, _wanted([Record(name, "A", ip)], kind))


def _service(name: str, front: list[str], key: str, *, kind: str, view: View) -> Answer:
    service = view.service(key)
    if service is None:
        return NOTHING
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return Answer(True, [Record(name, "CNAME", spec["externalName"].rstrip("."))]) if not front else NOTHING
    headless = spec.get("clusterIP") in (None, "", "None")
    match front:
        case []:
            found = _headless(name, key, view) if headless else [Record(name, "A", ip) for ip in _ipv4(spec)]
            exists = bool(found) or not headless
            return Answer(exists, _wanted(found, kind))
        case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
            return _srv(name, service, port[1:], protocol[1:], kind=kind, headless=headless, view=view)
        case [hostname] if headless:
            found = [Record(name, "A", ip) for host, ip, _ in _endpoints(key, view) if host == hostname]
            return Answer(bool(found), _wanted(found, kind))
    return NOTHING


def _ipv4(spec: Obj) -> list[str]:
    return [ip for ip in spec.get("clusterIPs") or (spec["clusterIP"],) if ":" not in ip]


def _headless(name: str, key: str, view: View) -> list[Record]:
    return [Record(name, "A", ip) for ip in sorted({ip for _, ip, _ in _endpoints(key, view)})]


def _endpoints(key: str, view: View) -> Iterator[tuple[str, str, list[Obj]]]:
    """(hostname label, address, ports) of each ready endpoint; an endpoint without a hostname is named by its address."""
    for item in view.slices(key):
        if item.get("addressType") != "IPv4":
            continue
        for endpoint in item.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                for ip in endpoint.get("addresses") or ():
                    yield endpoint.get("hostname") or ip.replace(".", "-"), ip, item.get("ports") or []


def _srv(name: str, service: Obj, port: str, protocol: str, *, kind: str, headless: bool, view: View) -> Answer:
    meta, spec = service["metadata"], service["spec"]
    base = f"{meta['name']}.{meta['namespace']}.svc.{view.domain}"
    if headless:
        rows = [
            (host, ip, p["port"])
            for host, ip, ports in _endpoints(f"{meta['namespace']}/{meta['name']}", view)
            for p in ports
            if p.get("name") == port and (p.get("protocol") or "TCP").lower() == protocol
        ]
        targets = [(f"{host}.{base}", ip, number) for host, ip, number in rows]
    else:
        numbers = [
            p["port"]
            for p in spec.get("ports") or ()
            if p.get("name") == port and (p.get("protocol") or "TCP").lower() == protocol
        ]
        targets = [(base, ip, number) for number in numbers for ip in _ipv4(spec)[:1]]
    if not targets:
        return NOTHING
    weight = max(1, 100 // len(targets))
    records = [Record(name, "SRV", (0, weight, number, target)) for target, _, number in targets]
    return Answer(True, _wanted(records, kind), [Record(target, "A", ip) for target, ip, _ in targets])


def reverse(address: str, view: View) -> Answer:
    """PTR of an IPv4 address: NOTHING means that it is none of ours and is to be forwarded."""
    pointer = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    for service in view.services_by_ip(address):
        meta = service["metadata"]
        target = f"{meta['name']}.{meta['namespace']}.svc.{view.domain}"
        return Answer(True, [Record(pointer, "PTR", target)])
    names = []
    for item in view.endpoints_by_ip(address):
        meta = item["metadata"]
        key = f"{meta['namespace']}/{(meta.get('labels') or {}).get('kubernetes.io/service-name')}"
        names += [
            f"{host}.{key.split('/')[1]}.{meta['namespace']}.svc.{view.domain}"
            for host, ip, _ in _endpoints(key, view)
            if ip == address
        ]
    return Answer(True, [Record(pointer, "PTR", n) for n in dict.fromkeys(names)]) if names else NOTHING
