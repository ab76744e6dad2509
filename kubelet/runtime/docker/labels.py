"""How a container of ours is named and labelled, so that the engine alone tells the next kubelet process all of it."""

from __future__ import annotations

from collections.abc import Mapping

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
KIND = "io.kubernetes.docker.type"
ATTEMPT = "io.kubernetes.container.restartCount"
SANDBOX_ATTEMPT = "pocketkube.io/sandbox-attempt"
IMAGE = "pocketkube.io/image"
POD_IP = "pocketkube.io/pod-ip"
KUBELET = "pocketkube.io/kubelet"

SANDBOX, CONTAINER = "podsandbox", "container"
SANDBOX_NAME = "POD"


def identity(*, uid: str, name: str, namespace: str, container: str, attempt: int, kubelet: str) -> dict[str, str]:
    return {
        POD_UID: uid,
        POD_NAME: name,
        POD_NAMESPACE: namespace,
        CONTAINER_NAME: container,
        KIND: SANDBOX if container == SANDBOX_NAME else CONTAINER,
        ATTEMPT: str(attempt),
        KUBELET: kubelet,
    }


def container_name(labels: Mapping[str, str]) -> str:
    """`k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`, as Kubernetes over Docker has always named them."""
    parts = (CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, ATTEMPT)
    return "_".join(("k8s", *(labels[part] for part in parts)))
