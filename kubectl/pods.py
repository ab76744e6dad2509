"""Pods behind words: `web-1`, `deploy/web`, `job/seed`, `svc/web`; and which container is meant."""

from __future__ import annotations

import asyncio
from typing import Any

from kubectl.errors import CommandError
from kubectl.resolve import scope
from kubectl.session import Session
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta import selectors
from pocketkube.client.resources import PODS

Obj = dict[str, Any]

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


async def pods_of(session: Session, word: str) -> list[Obj]:
    """The pods that a word stands for, the best one to talk to first: ready, then running, then oldest."""
    kind, slash, name = word.partition("/")
    if not slash or kind in ("po", "pod", "pods"):
        return [await session.client.get(PODS, name or kind, session.namespace)]
    found = await session.discovery.find(kind)
    obj = await session.client.get(found.resource, name, scope(session, found))
    selector = obj["spec"].get("selector")
    if selector is None:
        raise CommandError(f"cannot find the pods of {word}")
    if found.resource.kind in ("Service", "ReplicationController"):
        selector = {"matchLabels": selector}
    text = selectors.format_label_selector(selector)
    pods = await session.client.items(PODS, session.namespace, labelSelector=text)
    if not pods:
        raise CommandError(f"no pods found for {word}")
    return sorted(pods, key=_rank)


def _rank(pod: Obj) -> tuple[bool, bool, bool, str]:
    status = pod.get("status") or {}
    deleting = metas.is_deleting(pod)
    return (
        deleting,
        not metas.is_true(pod, "Ready"),
        status.get("phase") != "Running",
        pod["metadata"].get("creationTimestamp") or "",
    )


async def running_pod(session: Session, word: str, *, seconds: float = 60) -> Obj:
    """The best pod, once it runs. Raises CommandError if it has ended or does not start in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        pod = (await pods_of(session, word))[0]
        phase = (pod.get("status") or {}).get("phase")
        if phase == "Running":
            return pod
        if phase in ("Succeeded", "Failed"):
            raise CommandError(f"cannot exec into a container in a completed pod; current phase is {phase}")
        if asyncio.get_running_loop().time() > deadline:
            raise CommandError(f"pod {pod['metadata']['name']} is not running: {phase}")
        await asyncio.sleep(0.2)


def container_of(session: Session, pod: Obj, wanted: str, *, quiet: bool = False) -> str:
    """The container asked for, or the pod's default. Raises CommandError naming those there are."""
    spec = pod["spec"]
    marks = {"containers": "", "initContainers": " (init)", "ephemeralContainers": " (ephem)"}
    every = {c["name"]: f"{c['name']}{mark}" for m, mark in marks.items() for c in spec.get(m) or ()}
    if wanted:
        if wanted not in every:
            raise CommandError(
                f"container {wanted} is not valid for pod {pod['metadata']['name']} out of: {', '.join(every.values())}"
            )
        return wanted
    marked = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if marked in every:
        return str(marked)
    first: str = spec["containers"][0]["name"]
    if len(every) > 1 and not quiet:
        session.warn(f'Defaulted container "{first}" out of: {", ".join(every.values())}')
    return first
