"""In which order groups and versions are listed, as upstream orders them: higher comes first."""

from __future__ import annotations

from typing import NamedTuple


class Priority(NamedTuple):
    group: int
    version: int


CUSTOM = Priority(1000, 100)  # of custom resources
_OTHER = 10000  # of a built-in group that is not below

_GROUPS = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "storagemigration.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "internal.apiserver.k8s.io": 16000,
    "resource.k8s.io": 15900,
}


def builtin(group: str, version: str) -> Priority:
    """Of a group that this server itself answers. Stable versions come before betas, and higher before lower."""
    stage = 5 if "alpha" in version else 9 if "beta" in version else 15
    first = version.removeprefix("v").split("beta")[0].split("alpha")[0]
    above = int(first) - 1 if first.isdigit() else 0
    return Priority(_GROUPS.get(group, _OTHER), 1 if not group else stage + above)
