"""A pod as it is created: defaults, first status, checks; which fields select it; how long its deletion waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core.pod.status import is_finished
from pocketkube.api.kinds.podspec import defaults, validation
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.kinds.podspec.resources import qos_class
from pocketkube.api.meta import field, names

Obj = dict[str, Any]


def default(pod: Obj) -> None:
    spec = pod.get("spec")
    if spec is None:
        spec = pod["spec"] = {}
    defaults.pod(spec)


def prepare_create(pod: Obj) -> None:
    """A new pod is Pending, whatever the client says."""
    status: Obj = {"phase": "Pending", "qosClass": qos_class(pod)}
    if pod["spec"].get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": pod["metadata"].get("creationTimestamp"),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    pod["status"] = status


def prepare_status(pod: Obj, old: Obj) -> None:
    """Owners and the QoS class are not the kubelet's to change; the one address is also the first of the list."""
    status = pod.get("status") or {}
    if not status.get("podIP") and status.get("podIPs"):
        status["podIP"] = status["podIPs"][0].get("ip", "")
    if (first := status.get("podIP")) and (status.get("podIPs") or [{}])[0].get("ip") != first:
        status["podIPs"] = [{"ip": first}]
    owners = old["metadata"].get("ownerReferences")
    if owners:
        pod["metadata"]["ownerReferences"] = owners
    else:
        pod["metadata"].pop("ownerReferences", None)
    qos = (old.get("status") or {}).get("qosClass")
    if qos:
        pod.setdefault("status", {})["qosClass"] = qos


def validate(pod: Obj) -> Errors:
    spec = pod["spec"]
    wrong = metadata_and_spec(pod)
    if spec.get("ephemeralContainers"):
        wrong.append(field.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        wrong.append(field.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return wrong


def metadata_and_spec(pod: Obj) -> Errors:
    """What holds for a pod at any time, and not for templates."""
    spec = pod["spec"]
    wrong = validation.pod_spec(spec, "spec", is_pod=True)
    for name in ("containers", "initContainers"):
        for at, container in enumerate(spec.get(name) or ()):
            image = container.get("image") or ""
            if image != image.strip():
                why = "must not have leading or trailing whitespace"
                wrong.append(field.invalid(f"spec.{name}[{at}].image", image, why))
    if not spec.get("serviceAccountName"):
        wrong += _tokens_without_account(spec)
    return wrong


def _tokens_without_account(spec: Obj) -> Errors:
    why = "must not be specified when serviceAccountName is not set"
    return [
        field.forbidden(f"spec.volumes[{at}].projected.sources[{number}].serviceAccountToken", why)
        for at, volume in enumerate(spec.get("volumes") or ())
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if source.get("serviceAccountToken") is not None
    ]


def warnings(pod: Obj) -> list[str]:
    """What the creator of a pod should know; nobody is told at an update, for seldom is a human behind it."""
    found = podwarnings.of(pod["spec"], pod["metadata"])
    if faults := names.is_dns_label(pod["metadata"].get("name", "")):
        found.insert(0, _SURPRISING.format(" ".join(faults)))
    return found


_SURPRISING = (
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
    "recommended: [{}]"
)


def grace_seconds(pod: Obj, options: Obj) -> int:
    """How many seconds a deletion waits for the kubelet; 0 for a pod that no kubelet runs."""
    spec = pod["spec"]
    if not spec.get("nodeName") or is_finished(pod):
        return 0
    asked = options.get("gracePeriodSeconds")
    if asked is None:
        asked = spec.get("terminationGracePeriodSeconds", 30)
    return 1 if asked < 0 else int(asked)


def _spec(name: str) -> Callable[[Obj], str]:
    return lambda pod: str(pod["spec"].get(name) or "")


def _status(name: str) -> Callable[[Obj], str]:
    return lambda pod: str((pod.get("status") or {}).get(name) or "")


SELECTABLE: dict[str, Callable[[Obj], str]] = {
    "spec.nodeName": _spec("nodeName"),
    "spec.restartPolicy": _spec("restartPolicy"),
    "spec.schedulerName": _spec("schedulerName"),
    "spec.serviceAccountName": _spec("serviceAccountName"),
    "spec.hostNetwork": lambda pod: "true" if pod["spec"].get("hostNetwork") else "false",
    "status.phase": _status("phase"),
    "status.podIP": _status("podIP"),
    "status.nominatedNodeName": _status("nominatedNodeName"),
}
