"""RoleEscalation: writes of roles and bindings pass only if the writer has what they grant. Part of RBAC, so always on with it."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.authz import escalation
from apiserver.authz.rbac import GROUP, RBAC
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")


class RoleEscalation(Plugin):
    name = "RoleEscalation"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._authorizer = setup.authorizer
        self._rbac = RBAC(setup.cluster)

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        if self._authorizer is None or kind.group != GROUP or subresource:
            return False
        return kind.plural in _ROLES + _BINDINGS and operation in ("CREATE", "UPDATE")

    def validate(self, request: AdmissionRequest) -> Outcome:
        plural, user = request.kind.plural, request.user
        if request.obj is None or self._authorizer is None:
            return None
        if plural in _ROLES:
            escalation.check_role(
                user, request.obj, request.old, plural=plural, authorizer=self._authorizer, rbac=self._rbac
            )
        else:
            escalation.check_binding(
                user, request.obj, request.old,
                plural=plural, authorizer=self._authorizer, rbac=self._rbac, cluster=self.cluster,
            )  # fmt: skip
        return None


ADMISSION = RoleEscalation
