"""`--cleanup`: take away what this kubelet made on its host, and nothing else."""

from __future__ import annotations

import asyncio
import logging

from kubelet.config import KubeletConfig
from kubelet.node.garbage import remove_pod_folder
from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.interface import RuntimeFailure

log = logging.getLogger(__name__)

SECONDS = 4.0  # to reach the engine: one that runs answers at once


async def clean_up(config: KubeletConfig, runtime: DockerRuntime) -> None:
    """Containers, mounts and folders of pods, the bridge and its rules."""
    following = asyncio.create_task(runtime.run(), name="runtime")
    try:
        await asyncio.wait_for(runtime.wait_synced(), SECONDS)
        pods = list(runtime.records.values())
        containers = [c for pod in pods for c in pod.containers.values()]
        sandboxes = [s for pod in pods for s in pod.sandboxes.values()]
        await asyncio.gather(*(runtime.remove_container(c) for c in containers), return_exceptions=True)
        await asyncio.gather(*(runtime.remove_sandbox(s) for s in sandboxes), return_exceptions=True)
        log.info("removed %d containers of %d pods", len(containers) + len(sandboxes), len(pods))
    except (TimeoutError, RuntimeFailure) as e:
        log.warning("containers not removed: %s", e or "the engine does not answer")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await asyncio.to_thread(runtime.remove_network)
    root = config.root_dir / "pods"
    for folder in root.iterdir() if root.is_dir() else ():
        await asyncio.to_thread(remove_pod_folder, folder)
    await runtime.aclose()
