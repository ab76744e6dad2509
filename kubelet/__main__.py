"""`python -m kubelet`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from kubelet import flags
from pocketkube.base import logs, tasks


def main(arguments: Sequence[str] | None = None) -> int:
    config, given = flags.parse(arguments)
    logs.setup(logs.level_of(given.v))

    async def run(stop: asyncio.Event) -> None:
        from kubelet.certificates.rotation import bootstrap
        from kubelet.cleanup import clean_up
        from kubelet.kubelet import Kubelet, docker_runtime
        from pocketkube.base.clock import SystemClock
        from pocketkube.client.config import load

        if given.cleanup:
            await clean_up(config, docker_runtime(config))
            return
        await tasks.run_tasks({"bootstrap": bootstrap(config, SystemClock())}, stop=stop)
        if not stop.is_set():
            await Kubelet(config, load(config.kubeconfig)).run(stop)

    return tasks.main(run)


if __name__ == "__main__":
    sys.exit(main())
