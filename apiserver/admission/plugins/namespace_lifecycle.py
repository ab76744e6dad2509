"""NamespaceLifecycle: nothing is created in a namespace that is missing or terminating; some namespaces cannot be deleted."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
# Reviews are never stored, and a terminating namespace's owner must still be able to ask.
_REVIEWS = frozenset({("authorization.k8s.io", "localsubjectaccessreviews")})


class NamespaceLifecycle(Plugin):
    name = "NamespaceLifecycle"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        if (kind.group, kind.plural) in _REVIEWS:
            return False
        if (kind.group, kind.plural) == ("", "namespaces"):
            return operation == "DELETE"
        return kind.namespaced and operation in ("CREATE", "UPDATE", "CONNECT")

    def mutate(self, request: AdmissionRequest) -> Outcome:
        kind = request.kind
        if not kind.namespaced:
            if request.name in IMMORTAL:
                raise errors.forbidden("", "namespaces", request.name, "this namespace may not be deleted")
            return None
        namespace = self.cluster.get("", "namespaces", "", request.namespace)
        if namespace is None:
            return self._ask_store(request)
        self._check(request, namespace)
        return None

    async def _ask_store(self, request: AdmissionRequest) -> None:
        """The cache may be a moment behind a namespace that was just created."""
        namespace = await self.cluster.get_live("", "namespaces", "", request.namespace)
        if namespace is None:
            raise errors.not_found("", "namespaces", request.namespace)
        self._check(request, namespace)

    def _check(self, request: AdmissionRequest, namespace: Obj) -> None:
        if request.operation != "CREATE" or (namespace.get("status") or {}).get("phase") != "Terminating":
            return
        why = f"unable to create new content in namespace {request.namespace} because it is being terminated"
        refusal = errors.forbidden(request.kind.group, request.kind.plural, request.name, why)
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {request.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        refusal.details["causes"] = [cause]
        raise refusal


ADMISSION = NamespaceLifecycle
