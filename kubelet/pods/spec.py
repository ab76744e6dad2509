"""Plain readings of a pod object that every part of the kubelet needs. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson

from pocketkube.api.kinds.podspec import resources

Obj = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"
SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"


def uid(pod: Obj) -> str:
    """Of a mirror pod, its static pod's uid: that is the one which runs."""
    meta = pod["metadata"]
    mirrored = (meta.get("annotations") or {}).get(MIRROR)
    return str(mirrored or meta["uid"])


def full_name(pod: Obj) -> str:
    meta = pod["metadata"]
    return f"{meta['name']}_{meta.get('namespace', 'default')}"


def is_static(pod: Obj) -> bool:
    return bool((pod["metadata"].get("annotations") or {}).get(SOURCE, "api") != "api")


def is_mirror(pod: Obj) -> bool:
    return MIRROR in (pod["metadata"].get("annotations") or {})


def is_terminal(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def init_containers(pod: Obj) -> list[Obj]:
    return pod["spec"].get("initContainers") or []


def containers(pod: Obj) -> list[Obj]:
    return pod["spec"].get("containers") or []


def ephemeral_containers(pod: Obj) -> list[Obj]:
    return pod["spec"].get("ephemeralContainers") or []


def all_containers(pod: Obj) -> Iterator[Obj]:
    yield from init_containers(pod)
    yield from containers(pod)
    yield from ephemeral_containers(pod)


def container(pod: Obj, name: str) -> Obj | None:
    return next((c for c in all_containers(pod) if c["name"] == name), None)


def container_statuses(status: Obj) -> Iterator[Obj]:
    """Of all containers of a pod's status, whatever they are."""
    for part in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        yield from status.get(part) or ()


def field_path(pod: Obj, name: str) -> str:
    """`spec.containers{web}`: how an event names a pod's container."""
    for part in ("initContainers", "ephemeralContainers"):
        if any(c["name"] == name for c in pod["spec"].get(part) or ()):
            return f"spec.{part}{{{name}}}"
    return f"spec.containers{{{name}}}"


def is_sidecar(container: Obj) -> bool:
    """An init container that is restarted for ever and does not hold up the ones after it."""
    return container.get("restartPolicy") == "Always"


def restart_policy(pod: Obj) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def may_restart(pod: Obj, container: Obj, exit_code: int) -> bool:
    """Whether a container that exited so is to run again."""
    policy = container.get("restartPolicy") or restart_policy(pod)
    return bool(policy == "Always" or (policy == "OnFailure" and exit_code != 0))


def host_network(pod: Obj) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def grace_seconds(pod: Obj) -> float:
    """Of a pod being deleted: what its deletion asked for; else what its spec says."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    seconds = asked if asked is not None else pod["spec"].get("terminationGracePeriodSeconds")
    return float(30 if seconds is None else seconds)


def container_hash(container: Obj) -> str:
    """Changes when a running container must be replaced: of a pod, only the image may change in place."""
    return hashlib.sha256(orjson.dumps([container["name"], container.get("image")])).hexdigest()[:8]


def hostname(pod: Obj) -> str:
    """At most 63 characters, not ending in "-" or "."."""
    name = str(pod["spec"].get("hostnameOverride") or pod["spec"].get("hostname") or pod["metadata"]["name"])
    return name[:63].rstrip("-.")


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort: as the API server has found it, else as it would find it."""
    known = (pod.get("status") or {}).get("qosClass")
    return str(known) if known else resources.qos_class(pod)
