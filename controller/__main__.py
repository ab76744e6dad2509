"""`python -m controller`: the controller manager. Flags are those of kube-controller-manager."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from controller.options import Options, parse
from pocketkube.base import logs, tasks


async def run(options: Options, stop: asyncio.Event) -> None:
    from controller.manager import USER_AGENT, Manager, UnknownController
    from pocketkube.client import config
    from pocketkube.client.rest import Client

    try:
        client = Client(config.load(options.kubeconfig or None), user_agent=USER_AGENT)
        manager = Manager(client, options)
    except (config.ConfigError, UnknownController) as error:
        sys.exit(f"controller: {error}")
    try:
        await manager.run(stop)
    finally:
        await client.aclose()


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    logs.setup(logs.level_of(options.v))
    return tasks.main(lambda stop: run(options, stop))


if __name__ == "__main__":
    sys.exit(main())
