"""Where a probe or hook of a container goes. Pure."""

from __future__ import annotations

from typing import Any

from kubelet.runtime.interface import PodRecords

Obj = dict[str, Any]


def container_port(container: Obj, port: int | str) -> int:
    """A number, or the name of one of the container's ports. Raises ValueError."""
    if isinstance(port, int):
        return port
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    if port.isdigit():
        return int(port)
    raise ValueError(f"port {port!r} is not the name of one of the container's ports")


def pod_address(pod: Obj, records: PodRecords | None) -> str:
    """The pod's own IP, as the engine knows it or as its status says."""
    sandbox = records.sandbox() if records else None
    if sandbox is not None and sandbox.ip:
        return sandbox.ip
    return str((pod.get("status") or {}).get("podIP") or "127.0.0.1")
