"""References follow renamed objects: a table of where kinds name others, and one pass over the items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from kubectl.kustomizing.item import Item

Obj = dict[str, Any]


class Reference(NamedTuple):
    """`holder[member]` names an object of one of `kinds`; `namespace` is the member of the holder that says where, if there is one."""

    kinds: tuple[str, ...]
    holder: Any  # a map, or a list with `member` as index
    member: Any
    namespace: str = ""


def follow(items: list[Item], before: Mapping[int, tuple[str, str]]) -> None:
    """Names as they were (`before`, by the id of the item) become names as they are; who is not among the items stays as named."""
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        by_kind.setdefault(item.kind, []).append(item)
    for item in items:
        for reference in _references(item):
            _set(reference, item, by_kind, before)


def _set(
    reference: Reference, item: Item, by_kind: dict[str, list[Item]], before: Mapping[int, tuple[str, str]]
) -> None:
    name = reference.holder[reference.member]
    candidates = [c for kind in reference.kinds for c in by_kind.get(kind, ()) if isinstance(name, str)]
    named = [c for c in candidates if before.get(id(c), ("", ""))[0] == name] or [
        c for c in candidates if c.is_named(name)
    ]
    if reference.namespace:
        said = reference.holder.get(reference.namespace)
        named = [c for c in named if _was_in(c, said, before)] if said else named
    else:
        named = [c for c in named if c.namespace == item.namespace] or named
    if len(named) != 1:
        return
    reference.holder[reference.member] = named[0].name
    if reference.namespace and named[0].namespace:
        reference.holder[reference.namespace] = named[0].namespace


def _was_in(item: Item, namespace: str, before: Mapping[int, tuple[str, str]]) -> bool:
    known = {item.namespace, before.get(id(item), ("", ""))[1], *(former for _, former in item.former)}
    return namespace in {name or "default" for name in known}


def _references(item: Item) -> Iterator[Reference]:
    for spec in _pod_specs(item.obj):
        yield from _of_pod(spec)
    if item.kind in OWN:
        yield from OWN[item.kind](item.obj)


def _pod_specs(obj: Obj) -> Iterator[Obj]:
    if obj["kind"] == "Pod":
        yield obj.get("spec") or {}
    for path in (("spec",), ("spec", "jobTemplate", "spec")):
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        template = value.get("template") if isinstance(value, dict) else None
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            yield template["spec"]


def _of_pod(spec: Obj) -> Iterator[Reference]:
    yield from _member(spec, "serviceAccountName", "ServiceAccount")
    yield from _member(spec, "priorityClassName", "PriorityClass")
    yield from _member(spec, "runtimeClassName", "RuntimeClass")
    for secret in spec.get("imagePullSecrets") or ():
        yield from _member(secret, "name", "Secret")
    for volume in spec.get("volumes") or ():
        yield from _member(volume.get("configMap"), "name", "ConfigMap")
        yield from _member(volume.get("secret"), "secretName", "Secret")
        yield from _member(volume.get("persistentVolumeClaim"), "claimName", "PersistentVolumeClaim")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _member(source.get("configMap"), "name", "ConfigMap")
            yield from _member(source.get("secret"), "name", "Secret")
    for member in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(member) or ():
            for variable in container.get("env") or ():
                source = variable.get("valueFrom") or {}
                yield from _member(source.get("configMapKeyRef"), "name", "ConfigMap")
                yield from _member(source.get("secretKeyRef"), "name", "Secret")
            for source in container.get("envFrom") or ():
                yield from _member(source.get("configMapRef"), "name", "ConfigMap")
                yield from _member(source.get("secretRef"), "name", "Secret")


def _member(holder: Obj | None, member: str, *kinds: str, namespace: str = "") -> Iterator[Reference]:
    if isinstance(holder, dict) and holder.get(member):
        yield Reference(kinds, holder, member, namespace)


def _binding(obj: Obj) -> Iterator[Reference]:
    role = obj.get("roleRef") or {}
    yield from _member(role, "name", role.get("kind", "Role"))
    for subject in obj.get("subjects") or ():
        if subject.get("kind") == "ServiceAccount":
            yield from _member(subject, "name", "ServiceAccount", namespace="namespace")


def _ingress(obj: Obj) -> Iterator[Reference]:
    spec = obj.get("spec") or {}
    yield from _member(spec, "ingressClassName", "IngressClass")
    backends = [spec.get("defaultBackend") or spec.get("backend") or {}]
    for rule in spec.get("rules") or ():
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or ()]
    for backend in backends:
        yield from _member(backend.get("service"), "name", "Service")
        yield from _member(backend, "serviceName", "Service")
    for tls in spec.get("tls") or ():
        yield from _member(tls, "secretName", "Secret")


def _scaled(obj: Obj) -> Iterator[Reference]:
    target = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    yield from _member(target, "name", target.get("kind", ""))


def _stateful(obj: Obj) -> Iterator[Reference]:
    spec = obj.get("spec") or {}
    yield from _member(spec, "serviceName", "Service")
    for claim in spec.get("volumeClaimTemplates") or ():
        yield from _member(claim.get("spec"), "storageClassName", "StorageClass")


def _claim(obj: Obj) -> Iterator[Reference]:
    yield from _member(obj.get("spec"), "volumeName", "PersistentVolume")
    yield from _member(obj.get("spec"), "storageClassName", "StorageClass")


def _webhooks(obj: Obj) -> Iterator[Reference]:
    for webhook in obj.get("webhooks") or ():
        service = (webhook.get("clientConfig") or {}).get("service")
        yield from _member(service, "name", "Service", namespace="namespace")


def _account(obj: Obj) -> Iterator[Reference]:
    for member in ("secrets", "imagePullSecrets"):
        for secret in obj.get(member) or ():
            yield from _member(secret, "name", "Secret")


def _role(obj: Obj) -> Iterator[Reference]:
    """Rules may name config maps and secrets."""
    kinds = {"configmaps": "ConfigMap", "secrets": "Secret"}
    for rule in obj.get("rules") or ():
        wanted = tuple(kinds[r] for r in rule.get("resources") or () if r in kinds)
        for index in range(len(rule.get("resourceNames") or ()) if wanted else 0):
            yield Reference(wanted, rule["resourceNames"], index)


OWN: dict[str, Callable[[Obj], Iterator[Reference]]] = {
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "Role": _role,
    "ClusterRole": _role,
    "Ingress": _ingress,
    "HorizontalPodAutoscaler": _scaled,
    "StatefulSet": _stateful,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": lambda obj: _member(obj.get("spec"), "storageClassName", "StorageClass"),
    "MutatingWebhookConfiguration": _webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
    "ServiceAccount": _account,
    "APIService": lambda obj: _member((obj.get("spec") or {}).get("service"), "name", "Service", namespace="namespace"),
}
