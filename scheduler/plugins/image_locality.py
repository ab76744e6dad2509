"""Prefers nodes that hold the pod's images already, by size and by how widely they are spread."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from scheduler.framework import MAX_SCORE, SELF_UPDATED, Facet, Handle
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

MEGABYTE = 1 << 20
LEAST, MOST_A_CONTAINER = 23 * MEGABYTE, 1000 * MEGABYTE


class Held(Facet):
    """A node's facet: the sizes of those of the pod's images that it holds, 0 for the others.

    The share of nodes that hold an image weighs its size: one that everybody has says little less than its size,
    one that a single node has does not draw all pods there."""

    observes = True

    def __init__(self, images: list[str], containers: int):
        self._images, self._containers = images, containers
        self._holders: dict[str, set[str]] = {image: set() for image in images}
        self._nodes: set[str] = set()

    def observe(self, name: str, node: NodeInfo | None) -> None:
        (self._nodes.discard if node is None else self._nodes.add)(name)
        for image, holders in self._holders.items():
            (holders.add if node is not None and image in node.images else holders.discard)(name)

    def facet(self, node: NodeInfo) -> Hashable:
        if not node.images:
            return ()
        sizes = tuple(node.images.get(image, 0) for image in self._images)
        return sizes if any(sizes) else ()

    def scores(self, facets: Sequence[tuple[int, ...]], sizes: Sequence[int]) -> list[int] | None:
        if not any(facets):
            return None
        total = max(1, len(self._nodes))
        spread = [len(self._holders[image]) / total for image in self._images]
        most = MOST_A_CONTAINER * self._containers
        return [self._score(sum(int(n * s) for n, s in zip(held, spread, strict=False)), most) for held in facets]

    @staticmethod
    def _score(size: int, most: int) -> int:
        return MAX_SCORE * (min(max(size, LEAST), most) - LEAST) // (most - LEAST)


def normalized_name(image: str) -> str:
    """An image without tag means its `latest`."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"


def _containers(pod: PodInfo) -> list[Any]:
    return [*(pod.spec.get("initContainers") or ()), *(pod.spec.get("containers") or ())]


class ImageLocality:
    name = "ImageLocality"
    wakes = frozenset({SELF_UPDATED})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        pass

    def signature(self, pod: PodInfo) -> Hashable:
        return tuple(c.get("image") for c in _containers(pod))

    def pre_score(self, pod: PodInfo) -> Facet | None:
        containers = _containers(pod)
        images = [normalized_name(c["image"]) for c in containers if c.get("image")]
        return Held(images, len(containers)) if images else None


PLUGIN = ImageLocality
