"""What nobody needs any more: images by disk use, folders of pods that are gone.

Only images that pods of this kubelet have used are ever removed: the engine may be shared with a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kubelet.config import KubeletConfig
from kubelet.node.machine import Disk
from kubelet.pods.manager import PodManager
from kubelet.pods.paths import PodPaths
from kubelet.runtime.interface import ImageRecord, Runtime, RuntimeFailure
from kubelet.volumes.mounting import mounts_below, unmount
from pocketkube.base.clock import Clock

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS, IMAGE_SECONDS = 60.0, 300.0


def to_remove(
    images: list[ImageRecord], used: dict[str, float], in_use: set[str], *, free: int, now: float, minimum_age: float
) -> list[ImageRecord]:
    """The images to remove to free that many bytes: unused ones, the longest unused first. Pure."""
    candidates = [i for i in images if i.id in used and i.id not in in_use and now - used[i.id] >= minimum_age]
    chosen = []
    for image in sorted(candidates, key=lambda i: used[i.id]):
        if free <= 0:
            break
        chosen.append(image)
        free -= image.size
    return chosen


class GarbageCollector:
    def __init__(
        self, config: KubeletConfig, runtime: Runtime, manager: PodManager, clock: Clock, *, disk: Callable[[], Disk]
    ) -> None:
        self._config, self._runtime, self._manager, self._clock, self._disk = config, runtime, manager, clock, disk
        self._used: dict[str, float] = {}  # image id -> when a pod last used it

    async def run(self) -> None:
        """Folders every minute, images every five."""
        turn = 0
        while True:
            await self._clock.sleep(HOUSEKEEPING_SECONDS)
            turn += 1
            self._note_use()
            await asyncio.to_thread(self.remove_orphaned_folders)
            if turn * HOUSEKEEPING_SECONDS % IMAGE_SECONDS == 0:
                await self.collect_images()

    def _note_use(self) -> set[str]:
        now = self._clock.monotonic()
        in_use = {c.image_id for p in self._runtime.records.values() for c in p.containers.values() if c.image_id}
        self._used.update(dict.fromkeys(in_use, now))
        return in_use

    async def collect_images(self) -> None:
        """If the disk is fuller than the high threshold, down to the low one."""
        disk = self._disk()
        if not disk.capacity:
            return
        used = 100 - disk.available * 100 // disk.capacity
        if used < self._config.image_gc_high:
            return
        await self._free(disk.capacity * (100 - self._config.image_gc_low) // 100 - disk.available)

    async def reclaim(self) -> None:
        """All that is unused: the disk is short."""
        await self._free(1 << 62)

    async def _free(self, amount: int) -> None:
        in_use = self._note_use()
        try:
            images = await self._runtime.images()
        except RuntimeFailure as e:
            log.warning("images not listed: %s", e)
            return
        now, age = self._clock.monotonic(), self._config.image_minimum_age
        for image in to_remove(images, self._used, in_use, free=amount, now=now, minimum_age=age):
            try:
                await self._runtime.remove_image(image.id)
                log.info("removed unused image %s of %d bytes", image.tags or image.id, image.size)
            except RuntimeFailure as e:
                log.debug("image %s stays: %s", image.id, e)

    def remove_orphaned_folders(self) -> None:
        """Of pods that nobody knows any more. Blocking."""
        root = self._config.root_dir / "pods"
        known = {*self._manager.workers, *self._runtime.records}
        if not self._manager.complete or not root.is_dir():
            return
        for folder in root.iterdir():
            if folder.name not in known:
                remove_pod_folder(PodPaths(self._config.root_dir, folder.name).pod)


def remove_pod_folder(folder: Path) -> None:
    """Unmount what is inside, then remove it; what stays mounted is left alone."""
    import shutil

    for point in mounts_below(folder):
        unmount(point)
    if not mounts_below(folder):
        with suppress(OSError):  # what is left is tried again at the next round
            shutil.rmtree(folder)
