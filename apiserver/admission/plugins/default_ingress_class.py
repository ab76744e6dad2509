"""DefaultIngressClass: an Ingress that names no class gets the one marked as default; of several, the newest."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

_MARK = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(Plugin):
    name = "DefaultIngressClass"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource == "ingresses.networking.k8s.io" and operation == "CREATE" and not subresource

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        annotations = request.obj["metadata"].get("annotations") or {}
        spec = request.obj.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or "kubernetes.io/ingress.class" in annotations:
            return None
        marked = [
            c["metadata"]
            for c in self.cluster.list("networking.k8s.io", "ingressclasses")
            if (c["metadata"].get("annotations") or {}).get(_MARK) == "true"
        ]
        if marked:
            newest = max(m.get("creationTimestamp") or "" for m in marked)
            spec["ingressClassName"] = min(m["name"] for m in marked if (m.get("creationTimestamp") or "") == newest)
        return None


ADMISSION = DefaultIngressClass
