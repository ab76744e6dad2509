"""DefaultStorageClass: a claim that names no class gets the one marked as default; of several, the newest."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


class DefaultStorageClass(Plugin):
    name = "DefaultStorageClass"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource == "persistentvolumeclaims" and operation == "CREATE" and not subresource

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        annotations = request.obj["metadata"].get("annotations") or {}
        spec = request.obj.setdefault("spec", {})
        if spec.get("storageClassName") is not None or "volume.beta.kubernetes.io/storage-class" in annotations:
            return None
        marked = [
            c["metadata"]
            for c in self.cluster.list("storage.k8s.io", "storageclasses")
            if any((c["metadata"].get("annotations") or {}).get(mark) == "true" for mark in _MARKS)
        ]
        if marked:
            newest = max(m.get("creationTimestamp") or "" for m in marked)
            spec["storageClassName"] = min(m["name"] for m in marked if (m.get("creationTimestamp") or "") == newest)
        return None


ADMISSION = DefaultStorageClass
