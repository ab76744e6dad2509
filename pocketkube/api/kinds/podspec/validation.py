"""A whole pod spec or template, after defaulting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.podspec import containers, requirements, scheduling, security, volumes
from pocketkube.api.meta import field, quantity, selectors

Obj = dict[str, Any]

_RESTART = ["Always", "OnFailure", "Never"]
_DNS = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]
_MAX_INT32 = 2**31 - 1

_SOUND_KEPT = 1024
_SOUND_BYTES = 8192  # of one spec; larger ones are checked each time
_sound: set[bytes] = set()


def template(found: Mapping[str, Any], path: str) -> Errors:
    """A pod template."""
    meta, spec = found.get("metadata") or {}, found.get("spec") or {}
    wrong = checks.labels(f"{path}.labels", meta.get("labels"))
    wrong += checks.annotation_map(f"{path}.annotations", meta.get("annotations"))
    wrong += pod_spec(spec, f"{path}.spec", is_pod=False)
    if spec.get("ephemeralContainers"):
        why = "ephemeral containers not allowed in pod template"
        wrong.append(field.forbidden(f"{path}.spec.ephemeralContainers", why))
    return wrong


def replicated_template(found: Mapping[str, Any], path: str, selector: selectors.Selector, *, what: str = "") -> Errors:
    """A template whose pods are kept running: its labels match the selector, its pods restart always and never end."""
    wrong: Errors = []
    labels = (found.get("metadata") or {}).get("labels") or {}
    if not selector.empty and not selector.matches(labels):
        why = "`selector` does not match template `labels`"
        wrong.append(field.invalid(f"{path}.metadata.labels", labels, why))
    wrong += template(found, path)
    spec = found.get("spec") or {}
    if spec.get("restartPolicy") != "Always":
        wrong.append(field.not_supported(f"{path}.spec.restartPolicy", spec.get("restartPolicy"), ["Always"]))
    if spec.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {what or 'ReplicaSet'} is not Supported"
        wrong.append(field.forbidden(f"{path}.spec.activeDeadlineSeconds", why))
    return wrong


def pod_spec(spec: Mapping[str, Any], path: str, *, is_pod: bool) -> Errors:
    """`is_pod`: it is a Pod's own, not a template's. The pods of one template are alike: what was sound is known again."""
    shown = orjson.dumps((is_pod, spec))
    if shown in _sound:
        return []
    wrong = _faults(spec, path, is_pod=is_pod)
    if not wrong and len(shown) <= _SOUND_BYTES:
        if len(_sound) >= _SOUND_KEPT:
            _sound.clear()
        _sound.add(shown)
    return wrong


def _faults(spec: Mapping[str, Any], path: str, *, is_pod: bool) -> Errors:
    get = spec.get
    wrong: Errors = []
    grace = get("terminationGracePeriodSeconds")
    if grace is None:
        wrong.append(field.required(f"{path}.terminationGracePeriodSeconds"))
    found_volumes = get("volumes") or []
    if found_volumes:
        wrong += volumes.volumes(found_volumes, f"{path}.volumes")
    surroundings = containers.Surroundings(
        {volume.get("name", ""): volume for volume in found_volumes},
        [claim.get("name") for claim in get("resourceClaims") or ()],
        grace,
        get("restartPolicy", ""),
        get("hostUsers") is not False,
    )
    wrong += _all_containers(spec, path, surroundings)
    if get("restartPolicy") not in _RESTART:
        wrong += checks.one_of(f"{path}.restartPolicy", get("restartPolicy"), _RESTART)
    if get("dnsPolicy") not in _DNS:
        wrong += checks.one_of(f"{path}.dnsPolicy", get("dnsPolicy"), _DNS)
    for name in spec:
        if (check := _FIELDS.get(name)) is not None and (value := spec[name]):
            wrong += check(value, spec, f"{path}.{name}")
    if get("hostNetwork"):
        wrong += _host_ports(spec, path, is_pod=is_pod)
    if get("dnsPolicy") == "None" and not (get("dnsConfig") or {}).get("nameservers"):
        wrong += _no_nameservers(get("dnsConfig"), path)
    if get("hostUsers") is False:
        wrong += _user_namespace(spec, path)
    if (seconds := get("activeDeadlineSeconds")) is not None and not 1 <= seconds <= _MAX_INT32:
        why = f"must be between 1 and {_MAX_INT32}, inclusive"
        wrong.append(field.invalid(f"{path}.activeDeadlineSeconds", seconds, why))
    return wrong


def _all_containers(spec: Mapping[str, Any], path: str, pod: containers.Surroundings) -> Errors:
    regular = spec.get("containers") or []
    wrong = containers.containers(regular, f"{path}.containers", pod)
    initial = spec.get("initContainers") or []
    if initial:
        wrong += containers.init_containers(initial, regular, f"{path}.initContainers", pod)
    if ephemeral := spec.get("ephemeralContainers"):
        wrong += containers.ephemeral_containers(ephemeral, regular + initial, f"{path}.ephemeralContainers", pod)
    return wrong


def _host_ports(spec: Mapping[str, Any], path: str, *, is_pod: bool) -> Errors:
    wrong: Errors = []
    for at, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort", 0)
            if (is_pod or host) and host != port.get("containerPort"):
                where = f"{path}.containers[{at}].ports[{number}].hostPort"
                wrong.append(field.invalid(where, host, "must match `containerPort` when `hostNetwork` is true"))
    return wrong


def _user_namespace(spec: Mapping[str, Any], path: str) -> Errors:
    why = "when `pod.Spec.HostUsers` is false"
    shown = {"hostNetwork": "hostNetwork", "hostPID": "HostPID", "hostIPC": "HostIPC"}
    return [field.forbidden(f"{path}.{text}", why) for name, text in shown.items() if spec.get(name)]


def _no_nameservers(config: Obj | None, path: str) -> Errors:
    if config is None:
        return [field.required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")]
    why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
    return [field.required(f"{path}.dnsConfig.nameservers", why)]


def _subdomain(value: str, spec: Mapping[str, Any], path: str) -> Errors:
    return [field.invalid(path, value, why) for why in checks.dns_subdomain(value)]


def _label(value: str, spec: Mapping[str, Any], path: str) -> Errors:
    return [field.invalid(path, value, why) for why in checks.dns_label(value)]


def _node_selector(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    return checks.labels(path, value)


def _security(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    return security.pod(value, spec, path)


def _affinity(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    return scheduling.affinity(value, path)


def _tolerations(value: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    return scheduling.tolerations(value, path)


def _spread(value: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    return scheduling.topology_spread(value, path)


def _aliases(value: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    for at, alias in enumerate(value):
        wrong += checks.ip(f"{path}[{at}].ip", alias.get("ip", ""))
        for number, name in enumerate(alias.get("hostnames") or ()):
            wrong += [
                field.invalid(f"{path}[{at}].hostnames[{number}]", name, why) for why in checks.dns_subdomain(name)
            ]
    return wrong


def _dns_config(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    servers, searches = value.get("nameservers") or [], value.get("searches") or []
    wrong: Errors = []
    if len(servers) > 3:
        wrong.append(field.invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for at, server in enumerate(servers):
        wrong += checks.ip(f"{path}.nameservers[{at}]", server)
    if len(searches) > 32:
        wrong.append(field.invalid(f"{path}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        why = "must not have more than 2048 characters (including spaces) in the search list"
        wrong.append(field.invalid(f"{path}.searches", searches, why))
    for at, search in enumerate(searches):
        plain = search.removesuffix(".").replace("_", "-")
        if search != ".":
            wrong += [field.invalid(f"{path}.searches[{at}]", search, why) for why in checks.dns_subdomain(plain)]
    for at, option in enumerate(value.get("options") or ()):
        if not option.get("name"):
            wrong.append(field.required(f"{path}.options[{at}]", "must not be empty"))
    return wrong


def _readiness_gates(value: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    for at, gate in enumerate(value):
        name = gate.get("conditionType", "")
        wrong += [field.invalid(f"{path}[{at}].conditionType", name, why) for why in checks.qualified(name)]
    return wrong


def _scheduling_gates(value: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    gates = [gate.get("name", "") for gate in value]
    wrong = checks.unique(path, gates)
    for at, name in enumerate(gates):
        wrong += [field.invalid(f"{path}[{at}]", name, why) for why in checks.qualified(name)]
    return wrong


def _preemption(value: str, spec: Mapping[str, Any], path: str) -> Errors:
    return checks.one_of(path, value, ["PreemptLowerPriority", "Never"])


def _overhead(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    return requirements.requirements({"limits": value}, path)


def _os(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    if not value.get("name"):
        return [field.required(f"{path}.name", "cannot be empty")]
    return checks.one_of(path, value["name"], ["linux", "windows"])


def _claims(value: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    seen: set[str] = set()
    for at, claim in enumerate(value):
        name, where = claim.get("name", ""), f"{path}[{at}]"
        if not name:
            wrong.append(field.required(f"{where}.name"))
        elif name in seen:
            wrong.append(field.duplicate(f"{where}.name", name))
        else:
            wrong += [field.invalid(f"{where}.name", name, why) for why in checks.dns_label(name)]
        seen.add(name)
        given = [x for x in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(x) is not None]
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            wrong.append(field.invalid(where, claim, why))
        elif not given:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            wrong.append(field.invalid(where, claim, why))
    return wrong


def _resources(value: Obj, spec: Mapping[str, Any], path: str) -> Errors:
    """Requests and limits of the whole pod."""
    from pocketkube.api.kinds.podspec.resources import aggregate_requests

    wrong = requirements.requirements(value, path)
    if value.get("claims"):
        wrong.append(field.forbidden(f"{path}.claims", "claims cannot be set for Resources at pod-level"))
    asked = value.get("requests") or {}
    for name, amount in aggregate_requests(dict(spec)).items():
        own = str(asked.get(name, "0"))
        if quantity.compare(amount, own) > 0:
            why = f"must be greater than or equal to aggregate container requests of {amount}"
            wrong.append(field.invalid(f"{path}.requests[{name}]", own, why))
    return wrong


_FIELDS: dict[str, Any] = {
    "nodeSelector": _node_selector,
    "securityContext": _security,
    "affinity": _affinity,
    "tolerations": _tolerations,
    "topologySpreadConstraints": _spread,
    "hostAliases": _aliases,
    "dnsConfig": _dns_config,
    "readinessGates": _readiness_gates,
    "schedulingGates": _scheduling_gates,
    "preemptionPolicy": _preemption,
    "overhead": _overhead,
    "os": _os,
    "resourceClaims": _claims,
    "resources": _resources,
    "serviceAccountName": _subdomain,
    "nodeName": _subdomain,
    "priorityClassName": _subdomain,
    "runtimeClassName": _subdomain,
    "hostname": _label,
    "subdomain": _label,
}
