"""How the pods of a job look: their finalizer, their index, when they ended. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.pod_control import pod_from_template
from controller.pods import phase
from pocketkube.api.meta import times
from pocketkube.client.resources import JOBS

Obj = dict[str, Any]

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"


def is_indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_tracked(pod: Obj) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def index_of(pod: Obj) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def noted(pod: Obj, annotation: str) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdigit() else 0


def replaces_only_failed(job: Obj) -> bool:
    """podReplacementPolicy: Failed. A terminating pod still counts as running then; with a failure policy it is the default."""
    policy = job["spec"].get("podReplacementPolicy")
    return bool(policy == "Failed" or (policy is None and job["spec"].get("podFailurePolicy")))


def has_failed(pod: Obj, job: Obj) -> bool:
    """Failed, or (unless replacement waits for that) being deleted: such a pod may never get to say how it ended."""
    if phase(pod) == "Failed":
        return True
    deleting = bool(pod["metadata"].get("deletionTimestamp"))
    return deleting and phase(pod) != "Succeeded" and not replaces_only_failed(job)


def finished_at(pod: Obj, now: datetime) -> datetime:
    """When its last container ended, or the best guess."""
    ends = [
        ended["finishedAt"]
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
        if (ended := (status.get("state") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    text = max(ends, default=pod["metadata"].get("deletionTimestamp") or "")
    return min(times.parse(text), now) if text else now


def new_pod(job: Obj, index: int | None, *, failures: int = 0, ignored: int = 0) -> Obj:
    """A pod of the job; an indexed one knows its index by annotation, label, environment and hostname."""
    pod = pod_from_template(job, JOBS, job["spec"]["template"])
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(f for f in metadata.get("finalizers", ()) if f != FINALIZER), FINALIZER]
    if index is None:
        return pod
    name = job["metadata"]["name"]
    annotations = {**metadata.get("annotations", {}), INDEX: str(index)}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        annotations[FAILURES] = str(failures)
        if ignored:
            annotations[IGNORED_FAILURES] = str(ignored)
    metadata["annotations"] = annotations
    metadata["labels"] = {**metadata["labels"], INDEX: str(index)}
    metadata["generateName"] = f"{name[: 57 - len(str(index))]}-{index}-"
    spec = {**pod["spec"], "hostname": f"{name[: 62 - len(str(index))]}-{index}"}
    for field in ("containers", "initContainers"):
        if spec.get(field):
            spec[field] = [_with_index(c) for c in spec[field]]
    return {**pod, "spec": spec}


def _with_index(container: Obj) -> Obj:
    name = "JOB_COMPLETION_INDEX"
    if any(e["name"] == name for e in container.get("env") or ()):
        return container
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*(container.get("env") or ()), {"name": name, "valueFrom": source}]}
