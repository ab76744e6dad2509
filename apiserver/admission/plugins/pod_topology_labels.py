"""PodTopologyLabels: a pod that is bound takes over its node's zone and region, through the labels of the Binding."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(Plugin):
    name = "PodTopologyLabels"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource == "pods" and operation == "CREATE" and subresource in ("", "binding")

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        if request.subresource:
            node_name = (request.obj.get("target") or {}).get("name", "")
        else:
            node_name = request.obj["spec"].get("nodeName", "")
        node = self.cluster.get("", "nodes", "", node_name) if node_name else None
        if node is None:
            return None
        labels = node["metadata"].get("labels") or {}
        found = {key: labels[key] for key in LABELS if key in labels}
        if found:
            meta = request.obj.setdefault("metadata", {})
            meta["labels"] = {**(meta.get("labels") or {}), **found}
        return None


ADMISSION = PodTopologyLabels
