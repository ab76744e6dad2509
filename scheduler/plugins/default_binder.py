"""Binds by the pod's binding subresource."""

from __future__ import annotations

from typing import Any

from pocketkube.client.resources import PODS
from scheduler.framework import Handle
from scheduler.pod_info import PodInfo


class DefaultBinder:
    name = "DefaultBinder"
    wakes: frozenset[str] = frozenset()

    def __init__(self, handle: Handle, args: dict[str, Any]):
        self._client = handle.client

    async def bind(self, pod: PodInfo, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        await self._client.create(PODS, binding, pod.namespace, name=pod.name, subresource="binding")


PLUGIN = DefaultBinder
