"""What the kinds that run pods of one form share: replicas, selectors, templates, and the checks of their status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.podspec import defaults, validation
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.meta import field, names, selectors
from pocketkube.api.meta.errors import BadRequest

Obj = dict[str, Any]

REVISION_HISTORY = 10
REPLICA_COLUMNS = (
    columns.NAME,
    columns.number("Desired", "How many pods are wanted."),
    columns.number("Current", "How many pods there are."),
    columns.number("Ready", "How many pods are ready."),
    columns.AGE,
    columns.CONTAINERS,
    columns.IMAGES,
    columns.SELECTOR,
)
_MORE = "cannot be greater than status.replicas"


def begins(status: Mapping[str, Any] | None = None) -> Callable[[Obj], None]:
    """prepare_create of a kind with status: whatever the client says, it begins as `status`."""

    def prepare(obj: Obj) -> None:
        obj["status"] = dict(status or {})

    return prepare


def spec_of(obj: Obj) -> Obj:
    """The object's spec, made where it is missing."""
    spec: Obj | None = obj.get("spec")
    if spec is None:
        spec = obj["spec"] = {}
    return spec


def fill(obj: Obj, **values: Any) -> None:
    """Set what is missing or null."""
    for name, value in values.items():
        if obj.get(name) is None:
            obj[name] = value


def pending(obj: Obj) -> None:
    """The phase of what has none yet."""
    status: Obj = obj.get("status") or {}
    if not status.get("phase"):
        obj["status"] = {**status, "phase": "Pending"}


def template(spec: Obj) -> None:
    """Default the pod template of a workload's spec."""
    found = spec.get("template")
    if found is None:
        found = spec["template"] = {}
    defaults.template(found)


def parsed(selector: Mapping[str, Any] | None) -> selectors.Selector | None:
    """The selector, or None where it cannot be read: its own errors say why."""
    try:
        return selectors.from_label_selector(selector)
    except (BadRequest, ValueError):
        return None


def selected_template(spec: Obj, path: str, *, kind: str, empty: str) -> Errors:
    """Selector given, well formed and not empty; the template has its labels and runs always."""
    selector = spec.get("selector")
    where = f"{path}.selector"
    if selector is None:
        return [
            field.required(where),
            *validation.replicated_template(spec["template"], f"{path}.template", _ALL, what=kind),
        ]
    wrong = checks.selector(where, selector)
    if not checks.has_requirements(selector):
        wrong.append(field.invalid(where, selector, f"empty selector is invalid for {empty}"))
    found = None if wrong else parsed(selector)
    return wrong + validation.replicated_template(spec["template"], f"{path}.template", found or _ALL, what=kind)


_ALL = selectors.Selector()


def replica_status(status: Mapping[str, Any], path: str = "status") -> Errors:
    """Counts of a ReplicaSet's or ReplicationController's status."""
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    wrong = checks.not_negative_fields(path, status, *counts)
    replicas, ready = status.get("replicas") or 0, status.get("readyReplicas") or 0
    available = status.get("availableReplicas") or 0
    for name in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if (status.get(name) or 0) > replicas:
            wrong.append(field.invalid(f"{path}.{name}", status.get(name, 0), _MORE))
    if available > ready:
        wrong.append(field.invalid(f"{path}.availableReplicas", available, "cannot be greater than readyReplicas"))
    return wrong


def validate_replica_status(obj: Obj, old: Obj) -> Errors:
    return replica_status(obj.get("status") or {})


def replica_row(obj: Obj, now: datetime, *, selector: str) -> list[Any]:
    """Of a ReplicaSet or ReplicationController, under REPLICA_COLUMNS."""
    status = obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        obj["spec"].get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        columns.age(obj, now),
        *columns.template(obj),
        selector,
    ]


def status_replicas(obj: Obj) -> str:
    """What the field selector `status.replicas` compares."""
    return str((obj.get("status") or {}).get("replicas", 0))


def warnings(obj: Obj) -> list[str]:
    """What the creator of something that makes pods should know: its name becomes part of theirs."""
    found = template_warnings(obj)
    if faults := names.is_dns_label(obj["metadata"].get("name", "")):
        found.insert(0, _SURPRISING.format(" ".join(faults)))
    return found


_SURPRISING = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is "
    "recommended: [{}]"
)


def template_warnings(obj: Obj) -> list[str]:
    found = obj["spec"].get("template") or {}
    return podwarnings.of(found.get("spec") or {}, found.get("metadata") or {}, "spec.template")


def update_warnings(obj: Obj, old: Obj) -> list[str]:
    """Those about the template, where the spec was changed."""
    same = obj["metadata"].get("generation") == old["metadata"].get("generation")
    return [] if same else template_warnings(obj)
