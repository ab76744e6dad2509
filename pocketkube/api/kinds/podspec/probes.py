"""Probes and lifecycle handlers of a container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pocketkube.api.kinds.checks import Errors, not_negative_fields, port_number_or_name
from pocketkube.api.meta import field, names

Obj = dict[str, Any]

_HEADER = re.compile(r"[-A-Za-z0-9]+").fullmatch
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_MORE = "may not specify more than 1 handler type"


def probes(container: Mapping[str, Any], path: str) -> Errors:
    """Liveness, readiness and startup probe."""
    found: Errors = []
    if probe := container.get("livenessProbe"):
        found += _probe(probe, f"{path}.livenessProbe", once=True)
    if probe := container.get("readinessProbe"):
        found += _probe(probe, f"{path}.readinessProbe", once=False)
        if (seconds := probe.get("terminationGracePeriodSeconds")) is not None:
            where = f"{path}.readinessProbe.terminationGracePeriodSeconds"
            found.append(field.invalid(where, seconds, "must not be set for readinessProbes"))
    if probe := container.get("startupProbe"):
        found += _probe(probe, f"{path}.startupProbe", once=True)
    return found


def _probe(probe: Obj, path: str, *, once: bool) -> Errors:
    found = handler(probe, path, grace=None)
    found += not_negative_fields(path, probe, *_COUNTS)
    if (seconds := probe.get("terminationGracePeriodSeconds")) is not None and seconds <= 0:
        found.append(field.invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0"))
    if once and probe.get("successThreshold") != 1:
        found.append(field.invalid(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1"))
    return found


def lifecycle(hooks: Mapping[str, Any], path: str, *, grace: int | None) -> Errors:
    """postStart, preStop and stopSignal; `grace` is the pod's termination grace period in seconds."""
    found: Errors = []
    for name in ("postStart", "preStop"):
        if (hook := hooks.get(name)) is not None:
            found += handler(hook, f"{path}.{name}", grace=grace)
    return found


def handler(obj: Mapping[str, Any], path: str, *, grace: int | None) -> Errors:
    """Exactly one of exec, httpGet, tcpSocket, grpc and sleep."""
    found: Errors = []
    kinds = [name for name in _HANDLERS if obj.get(name) is not None]
    if not kinds:
        return [field.required(path, "must specify a handler type")]
    found += _HANDLERS[kinds[0]](obj[kinds[0]], f"{path}.{kinds[0]}", grace)
    found += [field.forbidden(f"{path}.{name}", _MORE) for name in kinds[1:]]
    return found


def _exec(action: Obj, path: str, grace: int | None) -> Errors:
    return [] if action.get("command") else [field.required(f"{path}.command")]


def _http(action: Obj, path: str, grace: int | None) -> Errors:
    found: Errors = []
    if not action.get("path"):
        found.append(field.required(f"{path}.path"))
    found += port_number_or_name(f"{path}.port", action.get("port", 0))
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        found.append(field.not_supported(f"{path}.scheme", action.get("scheme"), ["HTTP", "HTTPS"]))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        if not _HEADER(name):
            words = "a valid HTTP header must consist of alphanumeric characters or '-'"
            found.append(
                field.invalid(f"{path}.httpHeaders", name, names.shape(words, "[-A-Za-z0-9]+", "X-Header-Name"))
            )
    return found


def _tcp(action: Obj, path: str, grace: int | None) -> Errors:
    return port_number_or_name(f"{path}.port", action.get("port", 0))


def _sleep(action: Obj, path: str, grace: int | None) -> Errors:
    seconds = action.get("seconds", 0)
    if grace is None or 0 <= seconds <= grace:
        return []
    why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [field.invalid(path, seconds, why)]


_HANDLERS = {"exec": _exec, "httpGet": _http, "tcpSocket": _tcp, "grpc": _tcp, "sleep": _sleep}
