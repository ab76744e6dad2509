"""What a pod or a volume names: pure walks over specs, for the node authorizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Obj = dict[str, Any]

FIXED = frozenset({"secrets", "configmaps", "serviceaccounts", "pods"})
_KEPT = 65536
_known: dict[tuple[str, int, int], Mapping[str, frozenset[str]]] = {}


def of_pod(pod: Obj) -> Mapping[str, frozenset[str]]:
    """Names by plural: secrets, configmaps, serviceaccounts, persistentvolumeclaims, resourceclaims of the pod's namespace.

    Worked out once a pod: after creation its spec names more only with more ephemeral containers or claim statuses."""
    meta, spec = pod["metadata"], pod["spec"]
    claims = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    key = (meta.get("uid", ""), len(spec.get("ephemeralContainers") or ()), len(claims))
    known = _known.get(key)
    if known is None or not key[0]:
        known = _walk(pod)
        if len(_known) >= _KEPT:
            _known.clear()
        _known[key] = known
    return known


def _walk(pod: Obj) -> Mapping[str, frozenset[str]]:
    if "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {}):
        return {}  # a mirror pod must not widen what its own node may read
    found: dict[str, set[str]] = {}
    spec = pod["spec"]
    for plural, name in (*_of_spec(spec), *_of_volumes(pod), *_of_claims(pod)):
        if name:
            found.setdefault(plural, set()).add(name)
    return {plural: frozenset(names) for plural, names in found.items()}


def _of_spec(spec: Obj) -> Iterator[tuple[str, str]]:
    yield "serviceaccounts", spec.get("serviceAccountName", "")
    for reference in spec.get("imagePullSecrets") or ():
        yield "secrets", reference.get("name", "")
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            for source in container.get("envFrom") or ():
                yield "secrets", (source.get("secretRef") or {}).get("name", "")
                yield "configmaps", (source.get("configMapRef") or {}).get("name", "")
            for variable in container.get("env") or ():
                source = variable.get("valueFrom") or {}
                yield "secrets", (source.get("secretKeyRef") or {}).get("name", "")
                yield "configmaps", (source.get("configMapKeyRef") or {}).get("name", "")


def _of_volumes(pod: Obj) -> Iterator[tuple[str, str]]:
    for volume in pod["spec"].get("volumes") or ():
        yield "secrets", (volume.get("secret") or {}).get("secretName", "")
        yield "configmaps", (volume.get("configMap") or {}).get("name", "")
        yield "persistentvolumeclaims", (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", f"{pod['metadata']['name']}-{volume['name']}"
        yield "secrets", ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name", "")
        yield "secrets", (volume.get("azureFile") or {}).get("secretName", "")
        for source in ("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"):
            yield "secrets", ((volume.get(source) or {}).get("secretRef") or {}).get("name", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield "secrets", (source.get("secret") or {}).get("name", "")
            yield "configmaps", (source.get("configMap") or {}).get("name", "")


def _of_claims(pod: Obj) -> Iterator[tuple[str, str]]:
    for claim in pod["spec"].get("resourceClaims") or ():
        yield "resourceclaims", claim.get("resourceClaimName", "")
    for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        yield "resourceclaims", status.get("resourceClaimName", "")


def secrets_of_volume(volume: Obj) -> set[tuple[str, str]]:
    """(namespace, name) of the secrets that a PersistentVolume's node side needs."""
    spec = volume["spec"]
    home = (spec.get("claimRef") or {}).get("namespace", "")
    found = set()
    if azure := spec.get("azureFile"):
        found.add((azure.get("secretNamespace") or home, azure.get("secretName", "")))
    for source in ("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"):
        if reference := (spec.get(source) or {}).get("secretRef"):
            found.add((reference.get("namespace") or home, reference.get("name", "")))
    csi = spec.get("csi") or {}
    for field in ("controllerPublishSecretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"):
        if reference := csi.get(field):
            found.add((reference.get("namespace", ""), reference.get("name", "")))
    return found
