"""What a pod's status says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Obj = dict[str, Any]

FINISHED = ("Succeeded", "Failed")
MIRROR = "kubernetes.io/config.mirror"


def phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def is_finished(pod: Mapping[str, Any]) -> bool:
    """Succeeded or Failed: it runs no more and uses nothing."""
    return phase(pod) in FINISHED


def is_static_mirror(pod: Mapping[str, Any]) -> bool:
    """A picture in the API of a pod that a kubelet reads from a file."""
    return MIRROR in (pod["metadata"].get("annotations") or ())
