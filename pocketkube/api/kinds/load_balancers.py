"""Where a load balancer takes traffic in: part of the status of Services and Ingresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

PATH = "status.loadBalancer.ingress"
_MODES = ["Proxy", "VIP"]


def points(obj: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()


def validate(obj: Mapping[str, Any], *, modes: bool = False) -> Errors:
    """`modes`: addresses say how traffic arrives at them."""
    wrong: Errors = []
    for at, point in enumerate(points(obj)):
        path = f"{PATH}[{at}]"
        if ip := point.get("ip"):
            wrong += checks.ip(f"{path}.ip", ip)
        if modes:
            wrong += _mode(point.get("ipMode"), bool(ip), f"{path}.ipMode")
        if host := point.get("hostname"):
            wrong += [field.invalid(f"{path}.hostname", host, why) for why in checks.dns_subdomain(host)]
            if _is_address(host):
                wrong.append(field.invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address"))
    return wrong


def _mode(mode: str | None, has_address: bool, path: str) -> Errors:
    if mode is None:
        return [field.required(path, "must be specified when `ip` is set")] if has_address else []
    if not has_address:
        return [field.forbidden(path, "may not be specified when `ip` is not set")]
    return [] if mode in _MODES else [field.not_supported(path, mode, _MODES)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
