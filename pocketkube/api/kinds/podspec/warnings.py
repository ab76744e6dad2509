"""What a client should know of a pod's spec that is stored as it is and may not do what it seems to. Pods and templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pocketkube.api.kinds.podspec import claims
from pocketkube.api.meta import quantity

Obj = Mapping[str, Any]

DEPRECATED_LABELS = {
    label: f'deprecated since {since}; use "{instead}" instead'
    for label, since, instead in (
        ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
        ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
        ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
        ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
        ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
    )
}
# Kinds of volumes that nodes no longer know; persistent volumes have them too.
GONE_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SHOWN = {"storageos": "storageOS"}  # as upstream's words have it
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_NULL_SELECTOR = "a null labelSelector results in matching no pod"


def of(spec: Obj, metadata: Obj, path: str = "") -> list[str]:
    """The warnings about a pod, or about the template at `path`."""
    at = f"{path}.spec" if path else "spec"
    get = spec.get
    found: list[str] = []
    if get("nodeSelector") or get("affinity") or get("topologySpreadConstraints"):
        found += _labels(spec, at)
    notes = metadata.get("annotations")
    where = f"{path}.metadata.annotations" if path else "metadata.annotations"
    if notes:
        found += [f"{where}[{key}]: {why}" for key, why in _ANNOTATIONS.items() if key in notes]
    if volumes := get("volumes"):
        found += _volumes(volumes, f"{at}.volumes")
    if aliases := get("hostAliases"):
        found += _repeated(aliases, "ip", f"{at}.hostAliases")
    if secrets := get("imagePullSecrets"):
        found += _repeated(secrets, "name", f"{at}.imagePullSecrets")
        empty = [i for i, one in enumerate(secrets) if not one.get("name")]
        found += [f'{at}.imagePullSecrets[{i}].name: invalid empty name ""' for i in empty]
    if overhead := get("overhead"):
        found += fractions(overhead, f"{at}.overhead")
    if notes and _SECCOMP_POD in notes and not (get("securityContext") or {}).get("seccompProfile"):
        found.append(f"{where}[{_SECCOMP_POD}]: {_NO_SECCOMP}")
    containers = list(_containers(spec, at))
    for container, place in containers:
        if notes:
            found += _profiles(container, spec, notes, where, template=bool(path))
        if resources := container.get("resources"):
            for name in ("limits", "requests"):
                if amounts := resources.get(name):
                    found += fractions(amounts, f"{place}.resources.{name}")
        env = container.get("env")
        if env and len({variable.get("name") for variable in env}) < len(env):
            found += _variables(env, f"{place}.env")
    found += _ports(containers)
    if (get("terminationGracePeriodSeconds") or 0) < 0:
        why = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{at}.terminationGracePeriodSeconds: {why}")
    return [*found, *_unselected(spec["affinity"], f"{at}.affinity")] if get("affinity") else found


def _containers(spec: Obj, path: str) -> Iterator[tuple[Obj, str]]:
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for i, container in enumerate(spec.get(name) or ()):
            yield container, f"{path}.{name}[{i}]"


def _labels(spec: Obj, path: str) -> Iterator[str]:
    for label in sorted(spec.get("nodeSelector") or ()):
        if label in DEPRECATED_LABELS:
            yield f"{path}.nodeSelector[{label}]: {DEPRECATED_LABELS[label]}"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    for i, term in enumerate((affinity.get(required) or {}).get("nodeSelectorTerms") or ()):
        yield from term_warnings(term, f"{path}.affinity.nodeAffinity.{required}.nodeSelectorTerms[{i}]")
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    for i, weighted in enumerate(affinity.get(preferred) or ()):
        place = f"{path}.affinity.nodeAffinity.{preferred}[{i}].preference"
        yield from term_warnings(weighted.get("preference") or {}, place)
    for i, spread in enumerate(spec.get("topologySpreadConstraints") or ()):
        place = f"{path}.topologySpreadConstraints[{i}]"
        if (key := spread.get("topologyKey", "")) in DEPRECATED_LABELS:
            yield f"{place}.topologyKey: {key} is {DEPRECATED_LABELS[key]}"
        if spread.get("labelSelector") is None:
            yield f"{place}.labelSelector: {_NULL_SELECTOR}"


def term_warnings(term: Obj, path: str) -> Iterator[str]:
    """Of a node selector's term."""
    for i, wanted in enumerate(term.get("matchExpressions") or ()):
        if (key := wanted.get("key", "")) in DEPRECATED_LABELS:
            yield f"{path}.matchExpressions[{i}].key: {key} is {DEPRECATED_LABELS[key]}"


def _volumes(volumes: Any, path: str) -> Iterator[str]:
    for i, volume in enumerate(volumes):
        for kind in GONE_VOLUMES.keys() & volume.keys():
            yield f"{path}[{i}].{_SHOWN.get(kind, kind)}: {GONE_VOLUMES[kind]}"
        if template := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
            place = f"{path}[{i}].ephemeral.volumeClaimTemplate.spec"
            yield from claims.warnings(template.get("spec") or {}, place)
    yield from _hidden_tokens(volumes, path)


def _hidden_tokens(volumes: Any, path: str) -> Iterator[str]:
    """Files of projected volumes that are where a token is to be."""
    sources = [(i, s) for i, v in enumerate(volumes) if "projected" in v for s in v["projected"].get("sources") or ()]
    tokens = {source["serviceAccountToken"].get("path") for _, source in sources if source.get("serviceAccountToken")}
    if not tokens:
        return
    for i, source in sources:
        place = f"{path}[{i}].projected.sources"
        for kind, shown in (("configMap", "configMap"), ("secret", "secrets"), ("downwardAPI", "downwardAPI")):
            for j, item in enumerate((source.get(kind) or {}).get("items") or ()):
                if item.get("path") in tokens:
                    yield f'{place}.{shown}[{j}]: has duplicated path with ServiceAccountToken "{item["path"]}"'
        bundle = source.get("clusterTrustBundle") or {}
        if bundle.get("path") in tokens:
            yield f'{place}.ClusterTrustBundle: has duplicated path with ServiceAccountToken "{bundle["path"]}"'


def _repeated(items: Any, key: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, item in enumerate(items):
        value = item.get(key) or ""
        if value in seen:
            yield f'{path}[{i}].{key}: duplicate {key} "{value}"'
        seen.add(value)


def fractions(amounts: Obj, path: str, names: tuple[str, ...] = ("memory", "ephemeral-storage")) -> Iterator[str]:
    """Amounts of bytes that are not whole."""
    for name in names:
        if (amount := amounts.get(name)) is not None and quantity.milli(str(amount)) % 1000:
            yield f'{path}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _profiles(container: Obj, spec: Obj, notes: Obj, where: str, *, template: bool) -> Iterator[str]:
    """Annotations that once said what fields say now."""
    own, name = container.get("securityContext") or {}, container.get("name", "")
    if _SECCOMP + name in notes and not own.get("seccompProfile"):
        yield f"{where}[{_SECCOMP}{name}]: {_NO_SECCOMP}"
    armored = own.get("appArmorProfile") or (spec.get("securityContext") or {}).get("appArmorProfile")
    if template and not armored and _APPARMOR + name in notes:
        yield f'{where}[{_APPARMOR}{name}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _variables(env: Any, path: str) -> Iterator[str]:
    """Variables that hide one of the same name; one that extends it, as `$(PATH):/bin`, is meant."""
    seen: set[str] = set()
    for i, variable in enumerate(env):
        name, value = variable.get("name", ""), variable.get("value") or ""
        reference = f"$({name})"
        if name in seen and (variable.get("valueFrom") or value == reference or reference not in value):
            yield f'{path}[{i}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(containers: list[tuple[Obj, str]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, str, int]]] = {}
    named = [(container, place) for container, place in containers if container.get("ports")]
    if len(named) == 1 and len(named[0][0]["ports"]) == 1 and not named[0][0]["ports"][0].get("hostIP"):
        return  # as most pods have it: nothing to be at odds with
    for container, place in named:
        for i, port in enumerate(container.get("ports") or ()):
            path = f"{place}.ports[{i}]"
            address, on_host = port.get("hostIP") or "", port.get("hostPort") or 0
            number, protocol = port.get("containerPort", 0), port.get("protocol") or ""
            if address and not on_host:
                shown = f"Name:{port.get('name', '')} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{address}"
                yield f"{path}: hostIP set without hostPort: {{{shown}}}"
            others = known.setdefault((number, protocol), [])
            for other, other_address, other_on_host in others:
                if (address, on_host) == (other_address, other_on_host):
                    yield f"{path}: duplicate port definition with {other}"
                elif not on_host or not other_on_host:
                    yield f"{path}: overlapping port definition with {other}"
                elif on_host == other_on_host and bool(address) != bool(other_address):
                    yield f"{path}: dangerously ambiguous port definition with {other}"
            others.append((path, address, on_host))


def _unselected(affinity: Obj, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for i, term in enumerate(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
            if term.get("labelSelector") is None:
                place = f"{path}.{kind}.requiredDuringSchedulingIgnoredDuringExecution[{i}]"
                yield f"{place}.labelSelector: {_NULL_SELECTOR}"
        for i, weighted in enumerate(terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                place = f"{path}.{kind}.preferredDuringSchedulingIgnoredDuringExecution[{i}]"
                yield f"{place}.podAffinityTerm.labelSelector: {_NULL_SELECTOR}"
