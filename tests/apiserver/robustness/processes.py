"""API servers as processes of their own, killed and started at will."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.connection import Connection, Target
from tests.certificates import Pki
from tests.conftest import free_port

START_SECONDS = 30


class ApiServer:
    """Over the etcd members at `endpoints`; its log is `folder`/apiserver-PORT.log. `program`: a module and what it wants first."""

    def __init__(
        self,
        folder: Path,
        endpoints: Sequence[str],
        pki: Pki,
        *,
        more: Sequence[str] = (),
        program: Sequence[str] = ("apiserver",),
    ):
        self.port = free_port()
        self.target = Target(f"https://127.0.0.1:{self.port}", "admin-token")
        self.log = folder / f"apiserver-{self.port}.log"
        tokens = folder / "tokens.csv"
        tokens.write_text('admin-token,admin,1,"system:masters"\n')
        flags = {
            "etcd-servers": ",".join(endpoints),
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self.port,
            "tls-cert-file": pki.server,
            "tls-private-key-file": pki.server_key,
            "token-auth-file": tokens,
        }
        self._command = [
            sys.executable,
            "-m",
            *program,
            *(f"--{name}={value}" for name, value in flags.items()),
            *more,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and return when it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)  # noqa: ASYNC220 - returns at once
        async with asyncio.timeout(START_SECONDS):
            while not await self._ready():  # noqa: ASYNC110 - another process has no event for it
                await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log.read_text()[-2000:]
        try:
            connection = await Connection(self.target).open()
            answer = await connection.ask("GET", "/readyz")
            connection.close()
        except (OSError, EOFError):
            return False
        return answer.status == 200

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
