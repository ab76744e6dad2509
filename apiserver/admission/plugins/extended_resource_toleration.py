"""ExtendedResourceToleration: pods that ask for a special resource tolerate the taint of nodes kept for it. Off unless asked for."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin, creates_pods
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind


class ExtendedResourceToleration(Plugin):
    name = "ExtendedResourceToleration"
    default = False

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return creates_pods(kind, operation, subresource)

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        spec = request.obj["spec"]
        asked: dict[str, None] = {}
        for field in ("initContainers", "containers"):
            for container in spec.get(field) or ():
                requests = (container.get("resources") or {}).get("requests") or {}
                asked.update(dict.fromkeys(r for r in requests if is_extended(r)))
        given = spec.get("tolerations") or []
        added = [{"key": resource, "operator": "Exists"} for resource in sorted(asked)]
        if fresh := [t for t in added if t not in given]:
            spec["tolerations"] = [*given, *fresh]
        return None


def is_extended(resource: str) -> bool:
    """A resource of some vendor's domain, not one of Kubernetes' own."""
    domain, slash, _ = resource.partition("/")
    return bool(slash) and domain != "kubernetes.io" and not domain.endswith(".kubernetes.io")


ADMISSION = ExtendedResourceToleration
