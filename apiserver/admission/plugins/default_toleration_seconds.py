"""DefaultTolerationSeconds: pods stay 300 seconds on a node that is not ready or unreachable, unless they say otherwise."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Plugin):
    name = "DefaultTolerationSeconds"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource == "pods" and operation in ("CREATE", "UPDATE") and not subresource

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        spec = request.obj["spec"]
        given = spec.get("tolerations") or []
        keys = {t.get("key") or "" for t in given if t.get("effect") in (None, "", "NoExecute")}
        if "" in keys:
            return None
        missing = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
            for key in _TAINTS
            if key not in keys
        ]
        if missing:
            spec["tolerations"] = [*given, *missing]
        return None


ADMISSION = DefaultTolerationSeconds
