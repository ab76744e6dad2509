"""NetworkPolicy: which traffic pods let through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Pod-Selector", "Which pods it is for."), columns.AGE)
_PROTOCOLS = ["SCTP", "TCP", "UDP"]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, podSelector={})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            if port.get("protocol") is None:
                port["protocol"] = "TCP"


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = checks.selector("spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(spec.get(direction) or ()):
            wrong += _rule(rule, f"spec.{direction}[{at}]", peers)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        return [*wrong, field.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for at, kind in enumerate(types):
        if kind not in ("Ingress", "Egress"):
            wrong.append(field.not_supported(f"spec.policyTypes[{at}]", kind, ["Egress", "Ingress"]))
    return wrong


def _rule(rule: Obj, path: str, peers: str) -> Errors:
    wrong: Errors = []
    for at, port in enumerate(rule.get("ports") or ()):
        wrong += _port(port, f"{path}.ports[{at}]")
    for at, peer in enumerate(rule.get(peers) or ()):
        wrong += _peer(peer, f"{path}.{peers}[{at}]")
    return wrong


def _port(port: Obj, path: str) -> Errors:
    wrong: Errors = []
    if port["protocol"] not in _PROTOCOLS:
        wrong.append(field.not_supported(f"{path}.protocol", port["protocol"], _PROTOCOLS))
    first, last = port.get("port"), port.get("endPort")
    if first is not None:
        wrong += checks.port_number_or_name(f"{path}.port", first)
    if last is None:
        return wrong
    if first is None:
        return [*wrong, field.required(f"{path}.port", "must be specified when `endPort` is specified")]
    if isinstance(first, str):
        return [*wrong, field.required(f"{path}.port", "may not be a named port when `endPort` is specified")]
    if last < first:
        wrong.append(field.invalid(f"{path}.endPort", last, "must be greater than or equal to `port`"))
    return wrong + [field.invalid(f"{path}.endPort", last, why) for why in names.is_port_number(last)]


def _peer(peer: Obj, path: str) -> Errors:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    if not given:
        return [field.required(path, "must specify a peer")]
    if "ipBlock" in given and len(given) > 1:
        return [field.forbidden(path, "may not specify both ipBlock and another peer")]
    wrong: Errors = []
    for name in ("podSelector", "namespaceSelector"):
        wrong += checks.selector(f"{path}.{name}", peer.get(name))
    return wrong + (_block(peer["ipBlock"], f"{path}.ipBlock") if "ipBlock" in given else [])


def _block(block: Obj, path: str) -> Errors:
    import ipaddress

    cidr = block.get("cidr", "")
    if not cidr:
        return [field.required(f"{path}.cidr")]
    if wrong := checks.named(f"{path}.cidr", cidr, names.is_cidr):
        return wrong
    whole = ipaddress.ip_network(cidr, strict=False)
    for at, part in enumerate(block.get("except") or ()):
        where = f"{path}.except[{at}]"
        if faults := checks.named(where, part, names.is_cidr):
            wrong += faults
            continue
        inner = ipaddress.ip_network(part, strict=False)
        within = whole.version == inner.version and inner != whole and inner.subnet_of(whole)  # type: ignore[arg-type]
        if not within:
            wrong.append(field.invalid(where, part, "must be a strict subset of `cidr`"))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    shown = columns.selector(obj["spec"].get("podSelector"))
    return [obj["metadata"]["name"], shown, columns.age(obj, now)]


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="NetworkPolicy",
    plural="networkpolicies",
    namespaced=True,
    schema=Schema.of("io.k8s.api.networking.v1.NetworkPolicy"),
    short_names=("netpol",),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
