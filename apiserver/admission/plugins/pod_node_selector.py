"""PodNodeSelector: a namespace's annotation says on which nodes its pods run. Off unless asked for."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin, creates_pods, forbidden
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"


class PodNodeSelector(Plugin):
    name = "PodNodeSelector"
    default = False

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return creates_pods(kind, operation, subresource)

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        namespace = self.cluster.get("", "namespaces", "", request.namespace) or {"metadata": {}}
        text = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION, "")
        wanted = dict(term.strip().split("=", 1) for term in text.split(",") if "=" in term)
        given = request.obj["spec"].get("nodeSelector") or {}
        if any(wanted.get(key, value) != value for key, value in given.items()):
            raise forbidden(request, "pod node label selector conflicts with its namespace node label selector")
        if wanted:
            request.obj["spec"]["nodeSelector"] = {**wanted, **given}
        return None


ADMISSION = PodNodeSelector
