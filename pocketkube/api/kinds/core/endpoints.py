"""Endpoints: the addresses behind a Service in one object, the older form of EndpointSlice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core.service.validation import non_special_ip
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Endpoints", "Addresses and ports that are ready."), columns.AGE)
_SHOWN = 3


def _default(obj: Obj) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _validate(obj: Obj) -> Errors:
    wrong: Errors = []
    for at, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{at}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            wrong.append(field.required(path, "must specify `addresses` or `notReadyAddresses`"))
        for which in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(which) or ()):
                wrong += _address(address, f"{path}.{which}[{number}]")
        ports = subset.get("ports") or ()
        for number, port in enumerate(ports):
            wrong += _port(port, f"{path}.ports[{number}]", len(ports) > 1)
    return wrong


def _address(address: Obj, path: str) -> Errors:
    wrong: Errors = []
    if host := address.get("hostname"):
        wrong += [field.invalid(f"{path}.hostname", host, why) for why in checks.dns_label(host)]
    if (node := address.get("nodeName")) is not None:
        wrong += [field.invalid(f"{path}.nodeName", node, why) for why in checks.dns_subdomain(node)]
    return wrong + non_special_ip(f"{path}.ip", address.get("ip", ""))


def _port(port: Obj, path: str, several: bool) -> Errors:
    wrong: Errors = []
    if name := port.get("name"):
        wrong += [field.invalid(f"{path}.name", name, why) for why in checks.dns_label(name)]
    elif several:
        wrong.append(field.required(f"{path}.name"))
    number = port.get("port", 0)
    wrong += [field.invalid(f"{path}.port", number, why) for why in names.is_port_number(number)]
    if (protocol := port.get("appProtocol")) is not None:
        wrong += [field.invalid(f"{path}.appProtocol", protocol, why) for why in checks.qualified(protocol)]
    return wrong + checks.one_of(f"{path}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"])


def _shown(obj: Obj) -> str:
    pairs: list[str] = []
    for subset in obj.get("subsets") or ():
        ips = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        pairs += [_joined(ip, port["port"]) for port in ports for ip in ips] if ports else ips
    return columns.joined(pairs, _SHOWN) or columns.NONE


def _joined(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], _shown(obj), columns.age(obj, now)]


KIND = Kind(
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    group="",
    version="v1",
    kind="Endpoints",
    plural="endpoints",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Endpoints"),
    short_names=("ep",),
    storage_prefix="services/endpoints",
    priority=10,
    has_generation=False,
    create_on_update=True,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
