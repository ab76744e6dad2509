"""RuntimeClass: the class that a pod names brings its overhead and where it can run; a missing class refuses the pod."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin, creates_pods, forbidden
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

GROUP = "node.k8s.io"


class RuntimeClass(Plugin):
    name = "RuntimeClass"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return creates_pods(kind, operation, subresource)

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        spec = request.obj["spec"]
        name = spec.get("runtimeClassName")
        if not name:
            if spec.get("overhead"):
                raise forbidden(
                    request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                )
            return None
        found = self.cluster.get(GROUP, "runtimeclasses", "", name)
        if found is None:
            return self._ask_store(request, name)
        _apply(request, spec, found)
        return None

    async def _ask_store(self, request: AdmissionRequest, name: str) -> None:
        found = await self.cluster.get_live(GROUP, "runtimeclasses", "", name)
        if found is None:
            raise forbidden(request, f'pod rejected: RuntimeClass "{name}" not found')
        assert request.obj is not None
        _apply(request, request.obj["spec"], found)


def _apply(request: AdmissionRequest, spec: Obj, found: Obj) -> None:
    overhead = (found.get("overhead") or {}).get("podFixed")
    if spec.get("overhead") and spec["overhead"] != overhead:
        why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
        raise forbidden(request, why)
    if overhead:
        spec["overhead"] = dict(overhead)
    scheduling = found.get("scheduling") or {}
    if selector := scheduling.get("nodeSelector"):
        given = spec.get("nodeSelector") or {}
        for key, value in given.items():
            if selector.get(key, value) != value:
                why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {selector[key]}; pod.spec.nodeSelector[{key}] = {value}"
                raise forbidden(request, why)
        spec["nodeSelector"] = {**selector, **given}
    given_tolerations = spec.get("tolerations") or []
    added = [t for t in scheduling.get("tolerations") or () if t not in given_tolerations]
    if added:
        spec["tolerations"] = [*given_tolerations, *added]


ADMISSION = RuntimeClass
