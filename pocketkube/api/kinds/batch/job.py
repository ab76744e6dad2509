"""Job: pods that run to an end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.kinds.podspec import validation
from pocketkube.api.meta import field, objects, times
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Status", "Whether the job runs, is complete, has failed or waits."),
    columns.text("Completions", "How many pods have succeeded, of how many."),
    columns.text("Duration", "How long the job has taken."),
    columns.AGE,
    columns.CONTAINERS,
    columns.IMAGES,
    columns.SELECTOR,
)
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
_OLD_UID, _OLD_NAME = "controller-uid", "job-name"
_MAX_INT32 = 2**31 - 1
_MAX_INDEXED = 100_000
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex",
    "maxFailedIndexes",
)  # fmt: skip
_FINAL = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_REPLACEMENT = ["Failed", "TerminatingOrFailed"]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    workload.fill(spec, parallelism=1, completionMode="NonIndexed", suspend=False, manualSelector=False)
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 6 if spec.get("backoffLimitPerIndex") is None else _MAX_INT32
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    default_template(spec)
    template = spec["template"]
    labels = template["metadata"].get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    if not template["metadata"]:
        del template["metadata"]  # an empty one would be its writer's own, and with it the labels that come later


def default_template(spec: Obj) -> None:
    """What is filled in for a job's spec in a CronJob too."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            workload.fill(pattern, status="True")
    workload.template(spec)


def _prepare_create(obj: Obj) -> None:
    """Give the job a selector of its own by its uid, unless its author wants to select by hand."""
    obj["status"] = {}
    spec = obj["spec"]
    if spec.get("manualSelector"):
        return
    uid, name = obj["metadata"]["uid"], obj["metadata"].get("name", "")
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    labels |= {_OLD_UID: uid, _OLD_NAME: name, CONTROLLER_UID: uid, JOB_NAME: name}
    if spec.get("selector") is None:
        spec["selector"] = {}
    spec["selector"].setdefault("matchLabels", {}).setdefault(CONTROLLER_UID, uid)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    return _generated(obj) + _names_of_pods(obj) + validate_selected(spec, "spec")


def _generated(obj: Obj) -> Errors:
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    labels = _labels(spec)
    uid, given = meta["uid"], meta.get("name", "")
    expected = {CONTROLLER_UID: uid, JOB_NAME: given, _OLD_UID: uid, _OLD_NAME: given}
    wrong: Errors = []
    for name in (CONTROLLER_UID, JOB_NAME):
        if labels.get(name) != expected[name]:
            why = f"must be '{expected[name]}'"
            wrong.append(field.invalid("spec.template.metadata.labels", labels, why))
    found = workload.parsed(spec["selector"])
    if found is not None and not found.matches(expected):
        wrong.append(field.invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return wrong


def _labels(spec: Obj) -> Obj:
    """The labels of the job's pods."""
    return (spec["template"].get("metadata") or {}).get("labels") or {}


def _names_of_pods(obj: Obj) -> Errors:
    """The pods of an indexed job carry its name and index as their host name."""
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    if not name or spec.get("completionMode") != "Indexed" or not spec.get("completions"):
        return []
    host = f"{name}-{spec['completions'] - 1}"
    return [
        field.invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {host}")
        for _ in checks.dns_label(host)[:1]
    ]


def validate_selected(spec: Obj, path: str) -> Errors:
    """A job's spec with its selector."""
    wrong = validate_spec(spec, path)
    selector = spec.get("selector")
    if selector is None:
        return [*wrong, field.required(f"{path}.selector")]
    wrong += checks.selector(f"{path}.selector", selector)
    found, labels = workload.parsed(selector), _labels(spec)
    if found is not None and not found.matches(labels):
        why = "`selector` does not match template `labels`"
        wrong.append(field.invalid(f"{path}.template.metadata.labels", labels, why))
    return wrong


def validate_spec(spec: Obj, path: str) -> Errors:
    """A job's spec without its selector, as CronJobs have it."""
    wrong = checks.not_negative_fields(path, spec, *_COUNTS)
    if (mode := spec.get("completionMode")) not in (None, "NonIndexed", "Indexed"):
        wrong.append(field.not_supported(f"{path}.completionMode", mode, ["NonIndexed", "Indexed"]))
    wrong += _indexed(spec, path)
    if policy := spec.get("podFailurePolicy"):
        wrong += _failure_policy(policy, spec, f"{path}.podFailurePolicy")
    if (policy := spec.get("podReplacementPolicy")) not in (None, *_REPLACEMENT):
        wrong.append(field.not_supported(f"{path}.podReplacementPolicy", policy, _REPLACEMENT))
    wrong += validation.template(spec["template"], f"{path}.template")
    restart, where = spec["template"]["spec"].get("restartPolicy"), f"{path}.template.spec.restartPolicy"
    if restart in ("Always", "", None):
        wrong.append(field.required(where, 'valid values: "OnFailure", "Never"'))
    elif restart not in ("OnFailure", "Never"):
        wrong.append(field.not_supported(where, restart, ["OnFailure", "Never"]))
    return wrong


def _indexed(spec: Obj, path: str) -> Errors:
    if spec.get("completionMode") != "Indexed":
        why = "requires indexed completion mode"
        return [
            field.invalid(f"{path}.{name}", spec[name], why)
            for name in ("backoffLimitPerIndex", "maxFailedIndexes")
            if spec.get(name) is not None
        ]
    completions, parallelism = spec.get("completions"), spec.get("parallelism") or 0
    wrong: Errors = []
    if completions is None:
        wrong.append(field.required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism > _MAX_INDEXED:
        why = f"must be less than or equal to {_MAX_INDEXED} when completion mode is Indexed"
        wrong.append(field.invalid(f"{path}.parallelism", parallelism, why))
    return wrong


def _failure_policy(policy: Obj, spec: Obj, path: str) -> Errors:
    wrong: Errors = []
    if spec["template"]["spec"].get("restartPolicy") != "Never":
        shown = spec["template"]["spec"].get("restartPolicy")
        where = path.replace("podFailurePolicy", "template.spec.restartPolicy")
        wrong.append(field.invalid(where, shown, 'only "Never" is supported when podFailurePolicy is specified'))
    actions = ["Count", "FailIndex", "FailJob", "Ignore"]
    for at, rule in enumerate(policy.get("rules") or ()):
        wrong += checks.one_of(f"{path}.rules[{at}].action", rule.get("action"), actions)
        given = [name for name in ("onExitCodes", "onPodConditions") if rule.get(name)]
        if len(given) > 1:
            why = "specifying both OnExitCodes and OnPodConditions is not supported"
            wrong.append(field.invalid(f"{path}.rules[{at}]", rule, why))
        elif not given:
            why = "specifying one of OnExitCodes and OnPodConditions is required"
            wrong.append(field.invalid(f"{path}.rules[{at}]", rule, why))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    spec, before = obj["spec"], old["spec"]
    wrong = validate_selected(spec, "spec")
    if before.get("manualSelector") or CONTROLLER_UID in _labels(before):  # jobs of earlier releases lack the label
        wrong += _generated(obj)
    wrong += checks.immutable("spec.selector", spec.get("selector"), before.get("selector"))
    wrong += _completions(spec, before)
    if not _same_template(obj, old):
        wrong.append(field.invalid("spec.template", spec["template"], checks.IMMUTABLE))
    for name in _FINAL:
        wrong += checks.immutable(f"spec.{name}", spec.get(name), before.get(name))
    return wrong


def _completions(spec: Obj, before: Obj) -> Errors:
    """An indexed job may grow or shrink, its parallelism along with it."""
    new, old = spec.get("completions"), before.get("completions")
    if new == old:
        return []
    if (
        spec.get("completionMode") == "Indexed"
        and new is not None
        and old is not None
        and new == spec.get("parallelism")
    ):
        return []
    if spec.get("completionMode") == "Indexed":
        why = f"can only be modified in tandem with spec.parallelism (completions: {new}, parallelism: {spec.get('parallelism')})"
        return [field.invalid("spec.completions", new, why)]
    return [field.invalid("spec.completions", new, checks.IMMUTABLE)]


_SCHEDULING = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


def _same_template(obj: Obj, old: Obj) -> bool:
    """Equal, or differing only in where pods may run while the job is suspended and has not begun."""
    new, before = obj["spec"]["template"], old["spec"]["template"]
    if new == before:
        return True
    suspended = old["spec"].get("suspend") and not (old.get("status") or {}).get("startTime")
    return bool(suspended) and _bare(new) == _bare(before)


def _bare(template: Obj) -> Any:
    spec = {name: value for name, value in template["spec"].items() if name not in _SCHEDULING}
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if k not in ("labels", "annotations")}
    return meta, spec


def _validate_status(obj: Obj, old: Obj) -> Errors:
    return checks.not_negative_fields(
        "status", obj.get("status") or {}, "active", "succeeded", "failed", "ready", "terminating"
    )


def is_finished(obj: Mapping[str, Any]) -> bool:
    """Complete or Failed."""
    return objects.is_true(obj, "Complete") or objects.is_true(obj, "Failed")


def _status(obj: Obj) -> str:
    if objects.is_true(obj, "Complete"):
        return "Complete"
    if objects.is_true(obj, "Failed"):
        return "Failed"
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if objects.is_true(obj, "Suspended"):
        return "Suspended"
    if objects.is_true(obj, "FailureTarget"):
        return "FailureTarget"
    return "SuccessCriteriaMet" if objects.is_true(obj, "SuccessCriteriaMet") else "Running"


def _completed(obj: Obj) -> str:
    spec, done = obj["spec"], (obj.get("status") or {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(obj: Obj, now: datetime) -> str:
    status = obj.get("status") or {}
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    return times.age((datetime.fromisoformat(end) if end else now) - datetime.fromisoformat(start))


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [
        obj["metadata"]["name"],
        _status(obj),
        _completed(obj),
        _duration(obj, now),
        columns.age(obj, now),
        *columns.template(obj),
        columns.selector(obj["spec"].get("selector")),
    ]


def _delete_warnings(options: Obj) -> list[str]:
    if options.get("propagationPolicy") is not None or options.get("orphanDependents") is not None:
        return []
    return [
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
        "set propagationPolicy=Orphan to suppress this warning"
    ]


KIND = Kind(
    group="batch",
    version="v1",
    kind="Job",
    plural="jobs",
    namespaced=True,
    schema=Schema.of("io.k8s.api.batch.v1.Job"),
    categories=("all",),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    orphans=True,
    delete_warnings=_delete_warnings,
    selectable={"status.successful": lambda obj: str((obj.get("status") or {}).get("succeeded", 0))},
    default=_default,
    prepare_create=_prepare_create,
    warnings=workload.warnings,
    update_warnings=workload.update_warnings,
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
