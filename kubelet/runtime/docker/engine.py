"""The Docker SDK off the event loop: its low-level client in a bounded pool of threads, its failures as ours."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kubelet.runtime.interface import EngineDown, ImageMissing, RuntimeFailure

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

THREADS = 12
PULL_THREADS = 4
SECONDS = 120  # of one request: a start on a loaded host takes long


class Engine:
    """`call(function)` runs function(client) in a thread; `pull_call` does in threads of their own, for what takes minutes."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self._client: APIClient | None = None
        self._threads = ThreadPoolExecutor(THREADS, "docker")
        self._pullers = ThreadPoolExecutor(PULL_THREADS, "docker-pull")

    def path(self, rest: str) -> str:
        """A versioned path; only after a first `call` has found the version."""
        version = self._client.api_version if self._client else "1.41"
        return f"/v{version}{rest}"

    def pid(self) -> int:
        """Of the process that listens on the socket; 0 if none does. Blocking, if not for long."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.settimeout(1.0)
            probe.connect(self.socket_path)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])
        return 0

    async def call(self, function: Callable[[APIClient], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, function)

    async def pull_call(self, function: Callable[[APIClient], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pullers, self._run, function)

    def _run(self, function: Callable[[APIClient], T]) -> T:
        import requests
        from docker import errors

        try:
            return function(self._connected())
        except errors.ImageNotFound as e:
            raise ImageMissing(_reason(e)) from e
        except errors.APIError as e:
            raise RuntimeFailure(_reason(e)) from e
        except (requests.exceptions.RequestException, errors.DockerException) as e:
            raise EngineDown(f"cannot connect to the Docker daemon at unix://{self.socket_path}: {e}") from e

    def _connected(self) -> APIClient:
        if self._client is None:
            from docker import APIClient

            client = APIClient(
                f"unix://{self.socket_path}", version="auto", timeout=SECONDS, max_pool_size=THREADS + PULL_THREADS
            )
            client.trust_env = False  # else each request reads the environment and .netrc again
            self._client = client
        return self._client

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pullers.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()


def _reason(error: Any) -> str:
    return str(error.explanation or error).strip()
