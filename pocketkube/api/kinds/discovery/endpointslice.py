"""EndpointSlice: some of the addresses behind a Service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core.service.validation import non_special_ip
from pocketkube.api.kinds.discovery._versions import to_v1
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("AddressType", "What its addresses are."),
    columns.text("Ports", "Its ports."),
    columns.text("Endpoints", "Its addresses."),
    columns.AGE,
)
_UNSET = "<unset>"
_TYPES = ["FQDN", "IPv4", "IPv6"]
_MOST_ENDPOINTS, _MOST_PORTS, _MOST_ADDRESSES, _SHOWN = 1000, 20000, 100, 3


def _default(obj: Obj) -> None:
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"
    if obj.get("endpoints") is None:
        obj["endpoints"] = []


def _validate(obj: Obj) -> Errors:
    kind, endpoints, ports = obj.get("addressType"), obj.get("endpoints") or [], obj.get("ports") or []
    wrong = checks.one_of("addressType", kind, _TYPES)
    if len(endpoints) > _MOST_ENDPOINTS:
        return [*wrong, field.too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)]
    if len(ports) > _MOST_PORTS:
        return [*wrong, field.too_many("ports", len(ports), _MOST_PORTS)]
    for at, endpoint in enumerate(endpoints):
        wrong += _endpoint(endpoint, str(kind), f"endpoints[{at}]")
    wrong += checks.unique("ports", [port.get("name", "") for port in ports], "name")
    for at, port in enumerate(ports):
        wrong += _port(port, f"ports[{at}]")
    return wrong


def _endpoint(endpoint: Obj, kind: str, path: str) -> Errors:
    addresses = endpoint.get("addresses") or []
    wrong: Errors = []
    if not addresses:
        wrong.append(field.required(f"{path}.addresses", "must contain at least 1 endpoint"))
    elif len(addresses) > _MOST_ADDRESSES:
        wrong.append(field.too_many(f"{path}.addresses", len(addresses), _MOST_ADDRESSES))
    for at, address in enumerate(addresses):
        wrong += _address(address, kind, f"{path}.addresses[{at}]")
    if (host := endpoint.get("hostname")) is not None:
        wrong += [field.invalid(f"{path}.hostname", host, why) for why in checks.dns_label(host)]
    if (node := endpoint.get("nodeName")) is not None:
        wrong += [field.invalid(f"{path}.nodeName", node, why) for why in checks.dns_subdomain(node)]
    if "kubernetes.io/hostname" in (endpoint.get("deprecatedTopology") or ()):
        why = "may not be set, use nodeName field instead"
        wrong.append(field.invalid(f"{path}.deprecatedTopology[kubernetes.io/hostname]", "", why))
    return wrong


def _address(address: str, kind: str, path: str) -> Errors:
    if kind == "FQDN":
        return [field.invalid(path, address, why) for why in checks.dns_subdomain(address)]
    if wrong := checks.ip(path, address):
        return wrong
    if (":" in address) != (kind == "IPv6"):
        return [field.invalid(path, address, f"must be an {kind} address")]
    return non_special_ip(path, address)


def _port(port: Obj, path: str) -> Errors:
    wrong: Errors = []
    if name := port.get("name"):
        wrong += [field.invalid(f"{path}.name", name, why) for why in checks.dns_label(name)]
    wrong += checks.one_of(f"{path}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"])
    if (number := port.get("port")) is not None:
        wrong += [field.invalid(f"{path}.port", number, why) for why in names.is_port_number(number)]
    if (protocol := port.get("appProtocol")) is not None:
        wrong += [field.invalid(f"{path}.appProtocol", protocol, why) for why in checks.qualified(protocol)]
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("addressType", obj.get("addressType"), old.get("addressType"))


def is_ready(endpoint: Obj) -> bool:
    """Takes traffic: unset means ready."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _row(obj: Obj, now: datetime) -> list[Any]:
    ports = [str(port["port"]) if port.get("port") is not None else "*" for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        columns.joined(ports, _SHOWN) or _UNSET,
        columns.joined(addresses, _SHOWN) or _UNSET,
        columns.age(obj, now),
    ]


KIND = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    namespaced=True,
    schema=Schema.of("io.k8s.api.discovery.v1.EndpointSlice"),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
    convert=to_v1,
)
