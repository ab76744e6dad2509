"""StorageObjectInUseProtection: claims, volumes and attribute classes get the finalizer that keeps them while they are used."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

_FINALIZERS = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(Plugin):
    name = "StorageObjectInUseProtection"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource in _FINALIZERS and operation == "CREATE" and not subresource

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        meta = request.obj["metadata"]
        finalizer = _FINALIZERS[request.kind.resource]
        if finalizer not in (meta.get("finalizers") or ()):
            meta["finalizers"] = [*(meta.get("finalizers") or ()), finalizer]
        return None


ADMISSION = StorageObjectInUseProtection
