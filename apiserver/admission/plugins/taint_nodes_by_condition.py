"""TaintNodesByCondition: a new node starts tainted not-ready, so that nothing is placed on it before it has reported."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(Plugin):
    name = "TaintNodesByCondition"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource == "nodes" and operation == "CREATE" and not subresource

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        spec = request.obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(t.get("key") == TAINT["key"] and t.get("effect") == TAINT["effect"] for t in taints):
            spec["taints"] = [*taints, dict(TAINT)]
        return None


ADMISSION = TaintNodesByCondition
