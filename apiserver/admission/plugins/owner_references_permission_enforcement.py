"""OwnerReferencesPermissionEnforcement: only who may delete an object sets its owners, and only who may finalize an
owner blocks its deletion. Off unless asked for."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin, forbidden
from apiserver.interfaces import AdmissionRequest, RequestInfo
from pocketkube.api.kinds.kind import Kind


class OwnerReferencesPermissionEnforcement(Plugin):
    name = "OwnerReferencesPermissionEnforcement"
    default = False

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        if self.setup.authorizer is None or (kind.resource == "pods" and subresource):
            return False  # pods' subresources never change owners
        return operation in ("CREATE", "UPDATE") and subresource in ("", "status")

    def validate(self, request: AdmissionRequest) -> Outcome:
        new, old = _owners(request.obj), _owners(request.old)
        if new == old:
            return None
        if request.old is not None and not self._allowed(
            request, "delete", request.kind.group, request.kind.plural, name=request.name
        ):
            why = "cannot set an ownerRef on a resource you can't delete: , <nil>"
            raise forbidden(request, why)
        held = {(o["uid"], bool(o.get("blockOwnerDeletion"))) for o in old}
        for owner in new:
            if owner.get("blockOwnerDeletion") and (owner["uid"], True) not in held:
                self._check_blocking(request, owner)
        return None

    def _check_blocking(self, request: AdmissionRequest, owner: Obj) -> None:
        group, _, version = owner.get("apiVersion", "").rpartition("/")
        kind = self.setup.kind_of(group, version, owner.get("kind", "")) if self.setup.kind_of else None
        if kind is None:
            what = f"APIVersion {owner.get('apiVersion', '')} Kind {owner.get('kind', '')}"
            why = f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for {what}"
            raise forbidden(request, why)
        if not self._allowed(
            request, "update", kind.group, kind.plural, name=owner.get("name", ""), subresource="finalizers"
        ):
            why = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
            raise forbidden(request, why)

    def _allowed(
        self, request: AdmissionRequest, verb: str, group: str, plural: str, *, name: str, subresource: str = ""
    ) -> bool:
        assert self.setup.authorizer is not None
        wanted = RequestInfo(verb, "", True, group, "*", plural, subresource, request.namespace, name)
        return self.setup.authorizer.authorize(request.user, wanted).allowed


def _owners(obj: Obj | None) -> list[Obj]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or []


ADMISSION = OwnerReferencesPermissionEnforcement
