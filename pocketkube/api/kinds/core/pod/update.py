"""What an update may change of a pod: very little. Also its status, its ephemeral containers and its resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core.pod.status import is_static_mirror
from pocketkube.api.kinds.core.pod.strategy import metadata_and_spec
from pocketkube.api.kinds.podspec.resources import is_sidecar, qos_class
from pocketkube.api.meta import field, quantity

Obj = dict[str, Any]

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_MAX_INT32 = 2**31 - 1
_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")


def validate_update(pod: Obj, old: Obj) -> Errors:
    spec, before = pod["spec"], old["spec"]
    if spec == before:
        return []
    wrong = metadata_and_spec(pod)
    for name in ("containers", "initContainers"):
        if len(spec.get(name) or ()) != len(before.get(name) or ()):
            return [*wrong, field.forbidden(f"spec.{name}", "pod updates may not add or remove containers")]
    wrong += _deadline(spec, before)
    wrong += _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [])
    wrong += _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [])
    munged = _munged(spec, before)
    if munged != before:
        why = f"pod updates may not change fields other than {_UPDATABLE}\n{difference(before, munged)}"
        wrong.append(field.forbidden("spec", why))
    return wrong


def _deadline(spec: Obj, before: Obj) -> Errors:
    path = "spec.activeDeadlineSeconds"
    seconds, was = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if seconds is None:
        why = "must not update from a positive integer to nil value"
        return [field.invalid(path, None, why)] if was is not None else []
    if not 0 <= seconds <= _MAX_INT32:
        return [field.invalid(path, seconds, f"must be between 0 and {_MAX_INT32}, inclusive")]
    if was is not None and was < seconds:
        return [field.invalid(path, seconds, "must be less than or equal to previous value")]
    return []


def _tolerations(new: list[Obj], old: list[Obj]) -> Errors:
    def kept(toleration: Obj) -> Obj:
        return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}

    remaining = [kept(toleration) for toleration in new]
    if all(kept(toleration) in remaining for toleration in old):
        return []
    why = "existing toleration can not be modified except its tolerationSeconds"
    return [field.forbidden("spec.tolerations", why)]


def _gates(new: list[Obj], old: list[Obj]) -> Errors:
    known = {gate.get("name") for gate in old}
    return [
        field.forbidden(
            f"spec.schedulingGates[{at}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for at, gate in enumerate(new)
        if gate.get("name") not in known
    ]


def _munged(spec: Obj, before: Obj) -> Obj:
    """The new spec with all that may change put back: what still differs is forbidden."""
    munged = dict(spec)
    free = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if before.get("schedulingGates"):
        free += ["nodeSelector", "affinity"]
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        free.append("terminationGracePeriodSeconds")
    for name in free:
        if name in before:
            munged[name] = before[name]
        else:
            munged.pop(name, None)
    for name in ("containers", "initContainers"):
        if name in munged:
            pairs = zip(munged[name], before.get(name) or (), strict=False)
            munged[name] = [{**container, "image": was.get("image")} for container, was in pairs]
    return munged


def difference(old: Any, new: Any) -> str:
    """Lines of what differs: `- spec.nodeName: "a"`, `+ spec.nodeName: "b"`."""
    return "\n".join(_lines(old, new, "spec"))


def _lines(old: Any, new: Any, path: str) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _lines(old.get(name), new.get(name), f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, pair in enumerate(zip(old, new, strict=True)):
            yield from _lines(*pair, f"{path}[{at}]")
    else:
        if old is not None:
            yield f"- \t{path}: {orjson.dumps(old).decode()}"
        if new is not None:
            yield f"+ \t{path}: {orjson.dumps(new).decode()}"


def validate_status(pod: Obj, old: Obj) -> Errors:
    status, before = pod.get("status") or {}, old.get("status") or {}
    wrong: Errors = []
    for at, condition in enumerate(status.get("conditions") or ()):
        kind = condition.get("type", "")
        if kind not in _SYSTEM_CONDITIONS:
            wrong += [field.invalid(f"status.conditions[{at}].Type", kind, why) for why in checks.qualified(kind)]
    name = status.get("nominatedNodeName")
    if name and name != before.get("nominatedNodeName"):
        wrong += [field.invalid("status.nominatedNodeName", name, why) for why in checks.dns_subdomain(name)]
    policy = old["spec"].get("restartPolicy")
    sidecars = {c.get("name") for c in old["spec"].get("initContainers") or () if is_sidecar(c)}
    for which, rule in (
        ("containerStatuses", policy),
        ("initContainerStatuses", policy),
        ("ephemeralContainerStatuses", "Never"),
    ):
        if rule != "Always" and which in before:
            wrong += _transitions(status.get(which) or [], before[which], f"status.{which}", str(rule), sidecars)
    return wrong + _addresses(status.get("podIPs") or [])


def _addresses(found: list[Obj]) -> Errors:
    """At most one of each family, each once."""
    wrong: Errors = []
    addresses = [one.get("ip", "") for one in found]
    for at, ip in enumerate(addresses):
        wrong += checks.ip(f"status.podIPs[{at}]", ip)
    if len({":" in ip for ip in addresses}) < len(addresses) and len(addresses) > 1:
        why = "may specify no more than one IP for each IP family"
        wrong.append(field.invalid("status.podIPs", found, why))
    repeated = (at for at, ip in enumerate(addresses) if ip in addresses[:at])
    return wrong + [field.duplicate(f"status.podIPs[{at}]", found[at]) for at in repeated]


def _transitions(new: list[Obj], old: list[Obj], path: str, policy: str, sidecars: set[Any]) -> Errors:
    """What ended for good stays ended."""
    wrong: Errors = []
    now = {status.get("name"): status for status in new}
    for at, before in enumerate(old):
        ended = (before.get("state") or {}).get("terminated")
        if not ended or before.get("name") in sidecars or (ended.get("exitCode") and policy == "OnFailure"):
            continue
        status = now.get(before.get("name"))
        if status is not None and not (status.get("state") or {}).get("terminated"):
            wrong.append(field.forbidden(f"{path}[{at}].state", "may not be transitioned to non-terminated state"))
    return wrong


def validate_ephemeral_containers(pod: Obj, old: Obj) -> Errors:
    """On /ephemeralcontainers: containers may be added, none changed or taken away."""
    if is_static_mirror(old):
        return [field.forbidden("", "static pods do not support ephemeral containers")]
    wrong = metadata_and_spec(pod)
    path = "spec.ephemeralContainers"
    now = {container.get("name"): container for container in pod["spec"].get("ephemeralContainers") or ()}
    for before in old["spec"].get("ephemeralContainers") or ():
        name = before.get("name")
        if name not in now:
            wrong.append(field.forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif now[name] != before:
            why = f'existing ephemeral containers "{name}" may not be changed\n{difference(before, now[name])}'
            wrong.append(field.forbidden(path, why))
    return wrong


def validate_resize(pod: Obj, old: Obj) -> Errors:
    """On /resize: cpu and memory of containers may change, within the pod's QoS class."""
    if is_static_mirror(old):
        return [field.forbidden("", "static pods cannot be resized")]
    wrong = metadata_and_spec(pod)
    if qos_class(old) != qos_class(pod):
        shown = (pod.get("status") or {}).get("qosClass", "")
        wrong.append(field.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    for name in ("containers", "initContainers"):
        pairs = zip(pod["spec"].get(name) or (), old["spec"].get(name) or (), strict=False)
        for at, (container, before) in enumerate(pairs):
            wrong += _resized(container, before, f"spec.{name}[{at}].resources")
            plain = {**container, "resources": before.get("resources")}
            if plain != before or not _only_compute(container, before):
                wrong.append(field.forbidden("spec", "only cpu and memory resources are mutable"))
    return wrong


def _resized(container: Obj, before: Obj, path: str) -> Errors:
    new, old = container.get("resources") or {}, before.get("resources") or {}
    wrong = [
        field.forbidden(f"{path}.{which}", f"resource {which} cannot be removed")
        for which in ("requests", "limits")
        if set(old.get(which) or ()) - set(new.get(which) or ())
    ]
    policies = {policy["resourceName"]: policy["restartPolicy"] for policy in container.get("resizePolicy") or ()}
    limit, was = (new.get("limits") or {}).get("memory"), (old.get("limits") or {}).get("memory")
    if limit and policies.get("memory") != "RestartContainer":
        where = f"{path}.limits[memory]"
        if was is None:
            why = "memory limits cannot be added unless resizePolicy is RestartContainer"
            wrong.append(field.forbidden(where, why))
        elif quantity.compare(limit, was) < 0:
            why = "memory limits cannot be decreased unless resizePolicy is RestartContainer"
            wrong.append(field.forbidden(where, why))
    return wrong


def _only_compute(container: Obj, before: Obj) -> bool:
    new, old = container.get("resources") or {}, before.get("resources") or {}
    for which in ("requests", "limits"):
        pair = [{k: v for k, v in (x.get(which) or {}).items() if k not in ("cpu", "memory")} for x in (new, old)]
        if pair[0] != pair[1]:
            return False
    return True
