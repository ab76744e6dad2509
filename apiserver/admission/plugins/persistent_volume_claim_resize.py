"""PersistentVolumeClaimResize: a bound claim grows only where its storage class allows expansion."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin, forbidden
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import quantity

_WHY = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


class PersistentVolumeClaimResize(Plugin):
    name = "PersistentVolumeClaimResize"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource == "persistentvolumeclaims" and operation == "UPDATE" and not subresource

    def validate(self, request: AdmissionRequest) -> Outcome:
        if request.obj is None or request.old is None:
            return None
        if quantity.compare(_storage(request.obj), _storage(request.old)) <= 0:
            return None
        if (request.old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(request, "Only bound persistent volume claims can be expanded")
        name = _class_name(request.obj)
        found = self.cluster.get("storage.k8s.io", "storageclasses", "", name) if name else None
        if found is None or not found.get("allowVolumeExpansion"):
            raise forbidden(request, _WHY)
        return None


def _storage(claim: Obj) -> str:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return str(requests.get("storage", "0"))


def _class_name(claim: Obj) -> str:
    annotations = claim["metadata"].get("annotations") or {}
    return annotations.get("volume.beta.kubernetes.io/storage-class") or claim["spec"].get("storageClassName") or ""


ADMISSION = PersistentVolumeClaimResize
