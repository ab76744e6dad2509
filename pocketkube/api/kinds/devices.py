"""Devices of resource.k8s.io: requests for them, and how their forms differ between the group's versions.

v1 and v1beta2 wrap a request for exactly one sort of device in `exactly`; v1beta1 has its fields in the request itself.
v1beta1 wraps a slice's device in `basic`.
"""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

_EXACT = (
    "deviceClassName",
    "selectors",
    "allocationMode",
    "count",
    "adminAccess",
    "tolerations",
    "capacity",
    "derivedAttributes",
)
_OLD = "resource.k8s.io/v1beta1"
_MOST_REQUESTS = 32


def default_requests(devices: Obj | None) -> None:
    for request in (devices or {}).get("requests") or ():
        if (exactly := request.get("exactly")) is not None:
            _default_exact(exactly)
        elif request.get("deviceClassName"):
            _default_exact(request)
        for option in request.get("firstAvailable") or ():
            _default_exact(option)


def _default_exact(request: Obj) -> None:
    if not request.get("allocationMode"):
        request["allocationMode"] = "ExactCount"
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1
    for toleration in request.get("tolerations") or ():
        if not toleration.get("operator"):
            toleration["operator"] = "Equal"


def validate_claim(spec: Obj, path: str) -> Errors:
    """The spec of a claim in the form of v1."""
    devices = spec.get("devices") or {}
    requests = devices.get("requests") or []
    if len(requests) > _MOST_REQUESTS:
        return [field.too_many(f"{path}.devices.requests", len(requests), _MOST_REQUESTS)]
    wrong = checks.unique(f"{path}.devices.requests", [request.get("name", "") for request in requests], "name")
    for at, request in enumerate(requests):
        wrong += _request(request, f"{path}.devices.requests[{at}]")
    known = {request.get("name") for request in requests}
    for which in ("constraints", "config"):
        for at, entry in enumerate(devices.get(which) or ()):
            for number, name in enumerate(entry.get("requests") or ()):
                if name.partition("/")[0] not in known:
                    why = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
                    wrong.append(field.invalid(f"{path}.devices.{which}[{at}].requests[{number}]", name, why))
    return wrong


def _request(request: Obj, path: str) -> Errors:
    name = request.get("name", "")
    wrong: Errors = [] if name else [field.required(f"{path}.name")]
    wrong += [field.invalid(f"{path}.name", name, why) for why in checks.dns_label(name) if name]
    exactly, options = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not options:
        return [*wrong, field.required(path, "exactly one of `exactly` or `firstAvailable` is required")]
    if exactly is not None and options:
        return [*wrong, field.invalid(path, None, "exactly one of `exactly` or `firstAvailable` is required")]
    if exactly is not None:
        return wrong + _exact(exactly, f"{path}.exactly")
    for at, option in enumerate(options):
        wrong += _exact(option, f"{path}.firstAvailable[{at}]")
    return wrong


def _exact(request: Obj, path: str) -> Errors:
    name, mode = request.get("deviceClassName", ""), request.get("allocationMode", "")
    wrong: Errors = [] if name else [field.required(f"{path}.deviceClassName")]
    wrong += [field.invalid(f"{path}.deviceClassName", name, why) for why in checks.dns_subdomain(name) if name]
    if mode == "ExactCount":
        if request.get("count", 0) <= 0:
            wrong.append(field.invalid(f"{path}.count", request.get("count", 0), checks.POSITIVE))
    elif mode != "All":
        wrong.append(field.not_supported(f"{path}.allocationMode", mode, ["All", "ExactCount"]))
    elif request.get("count"):
        why = "must not be specified when allocationMode is 'All'"
        wrong.append(field.invalid(f"{path}.count", request["count"], why))
    return wrong + selectors(request.get("selectors") or [], f"{path}.selectors")


def selectors(found: list[Obj], path: str) -> Errors:
    return [
        field.required(f"{path}[{at}].cel.expression")
        for at, selector in enumerate(found)
        if not (selector.get("cel") or {}).get("expression")
    ]


def convert_claim(spec: Obj, source: str, target: str) -> Obj:
    """A claim's spec between versions; as it is where their forms are the same."""
    if (source == _OLD) == (target == _OLD):
        return spec
    change = _flat if target == _OLD else _wrapped
    devices = dict(spec.get("devices") or {})
    if devices.get("requests"):
        devices["requests"] = [change(request) for request in devices["requests"]]
    return {**spec, "devices": devices} if "devices" in spec else spec


def _flat(request: Obj) -> Obj:
    new = {name: value for name, value in request.items() if name != "exactly"}
    return {**new, **(request.get("exactly") or {})}


def _wrapped(request: Obj) -> Obj:
    inner = {name: request[name] for name in _EXACT if name in request}
    new = {name: value for name, value in request.items() if name not in _EXACT}
    return {**new, "exactly": inner} if inner else new


def convert_slice(spec: Obj, source: str, target: str) -> Obj:
    """A slice's spec between versions."""
    if (source == _OLD) == (target == _OLD) or not spec.get("devices"):
        return spec
    change = _boxed if target == _OLD else _unboxed
    return {**spec, "devices": [change(device) for device in spec["devices"]]}


def _boxed(device: Obj) -> Obj:
    inner = {name: value for name, value in device.items() if name != "name"}
    return {"name": device.get("name", ""), "basic": inner}


def _unboxed(device: Obj) -> Obj:
    return {"name": device.get("name", ""), **(device.get("basic") or {})}
