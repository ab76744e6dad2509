"""Priority: a pod's priorityClassName becomes its priority and preemption policy; at most one class is the default."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin, Setup, forbidden
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

GROUP = "scheduling.k8s.io"
_POLICY = "PreemptLowerPriority"
_WRONG = "must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name"


def system_class(name: str, value: int, description: str) -> Obj:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "description": description,
        "preemptionPolicy": _POLICY,
    }


# The server creates these at start; a pod may name them before it has.
SYSTEM_CLASSES = {
    "system-node-critical": system_class(
        "system-node-critical", 2000001000, "For pods without which their node does not work."
    ),
    "system-cluster-critical": system_class(
        "system-cluster-critical", 2000000000, "For pods without which the cluster does not work."
    ),
}


class Priority(Plugin):
    name = "Priority"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._revision = -1
        self._default: Obj | None = None

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        written = operation in ("CREATE", "UPDATE") and not subresource
        return written and kind.resource in ("pods", f"priorityclasses.{GROUP}")

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        if request.kind.group:
            return None
        if request.operation == "UPDATE":
            _keep(request.obj["spec"], (request.old or {}).get("spec") or {})
        else:
            self._resolve(request, request.obj["spec"])
        return None

    def validate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        if not request.kind.group or not request.obj.get("globalDefault"):
            return None
        current = self._default_class()
        name = request.obj["metadata"].get("name", "")
        if current is not None and current["metadata"]["name"] != name:
            taken = current["metadata"]["name"]
            raise forbidden(request, f"PriorityClass {taken} is already marked as default. Only one default can exist")
        return None

    def _resolve(self, request: AdmissionRequest, spec: Obj) -> None:
        found = self._class_of(request, spec)
        value, policy = (found.get("value", 0), found.get("preemptionPolicy") or _POLICY) if found else (0, _POLICY)
        if spec.get("priority") not in (None, value):
            why = f"the integer value of priority ({spec['priority']}) {_WRONG.format(value)}"
            raise forbidden(request, why)
        if spec.get("preemptionPolicy") not in (None, policy):
            why = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) {_WRONG.format(policy)}"
            raise forbidden(request, why)
        spec["priority"], spec["preemptionPolicy"] = value, policy

    def _class_of(self, request: AdmissionRequest, spec: Obj) -> Obj | None:
        name = spec.get("priorityClassName")
        if name:
            found = self.cluster.get(GROUP, "priorityclasses", "", name) or SYSTEM_CLASSES.get(name)
            if found is None:
                raise forbidden(request, f"no PriorityClass with name {name} was found")
            return found
        default = self._default_class()
        if default is not None:
            spec["priorityClassName"] = default["metadata"]["name"]
        return default

    def _default_class(self) -> Obj | None:
        """The class marked as default; of several, written by several servers at once, the lowest."""
        revision = self.cluster.revision(GROUP, "priorityclasses")
        if revision != self._revision:
            classes = [c for c in self.cluster.list(GROUP, "priorityclasses") if c.get("globalDefault")]
            self._default = min(classes, key=lambda c: int(c.get("value", 0)), default=None)
            self._revision = revision
        return self._default


def _keep(spec: Obj, old: Obj) -> None:
    for field in ("priority", "preemptionPolicy"):
        if spec.get(field) is None and old.get(field) is not None:
            spec[field] = old[field]


ADMISSION = Priority
