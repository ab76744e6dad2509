"""The downward API: fields of a pod and resources of its containers as text, for environments and volumes. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from kubelet.pods import spec
from pocketkube.api.meta import quantity

Obj = dict[str, Any]

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.*)'\]$")


class FieldUnknown(ValueError):
    """A fieldRef or resourceFieldRef that names nothing; the text is the user's message."""


def field_value(pod: Obj, path: str, *, ips: list[str], host_ips: list[str]) -> str:
    """`ips` are the pod's and `host_ips` the node's addresses as known now. Raises FieldUnknown."""
    meta, body = pod["metadata"], pod["spec"]
    if subscripted := _SUBSCRIPT.match(path):
        return str((meta.get(subscripted[1]) or {}).get(subscripted[2], ""))
    simple = {
        "metadata.name": meta.get("name", ""),
        "metadata.namespace": meta.get("namespace", ""),
        "metadata.uid": meta.get("uid", ""),
        "spec.nodeName": body.get("nodeName", ""),
        "spec.serviceAccountName": body.get("serviceAccountName", ""),
        "status.podIP": ips[0] if ips else "",
        "status.podIPs": ",".join(ips),
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
    }
    if path in ("metadata.labels", "metadata.annotations"):
        return lines_of(meta.get(path.removeprefix("metadata.")) or {})
    if path not in simple:
        raise FieldUnknown(f"unsupported fieldPath: {path}")
    return str(simple[path])


def lines_of(values: Mapping[str, str]) -> str:
    """One `key="value"` a line, sorted, the value quoted as Go quotes it."""
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(values.items()))


def resource_value(pod: Obj, reference: Obj, *, own: str, allocatable: Mapping[str, str]) -> str:
    """`own` is the container that asks where the reference names none. A missing limit is the node's allocatable.

    Rounded up to whole divisors. Raises FieldUnknown.
    """
    name = reference.get("containerName") or own
    container = spec.container(pod, name)
    if container is None:
        raise FieldUnknown(f'container "{name}" not found')
    part, _, resource = str(reference["resource"]).partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(part) or {}).get(resource)
    if amount is None and part == "limits" and resource in ("cpu", "memory", "ephemeral-storage"):
        amount = allocatable.get(resource)
    if amount is None and part == "requests":
        amount = (resources.get("limits") or {}).get(resource)
    divisor = quantity.parse(str(reference.get("divisor") or "0")) or quantity.parse("1")
    return str(math.ceil(quantity.parse(str(amount or "0")) / divisor))
