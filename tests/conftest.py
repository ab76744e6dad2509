"""Fixtures for every test. A test that asks for `etcd` is marked `integration`."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import certificates

# how long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("pocketkube", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pocketkube")

ETCD = shutil.which("etcd") or "/usr/bin/etcd"
START_SECONDS = 20.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that run for minutes run when asked for: by a -m that names them."""
    if "slow" in (config.getoption("markexpr") or ""):
        return
    left_out = [item for item in items if item.get_closest_marker("slow") is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.get_closest_marker("slow") is None]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Etcd:
    """A real etcd member on free ports, with its data in a folder, killed and started at will. `members`: all of its
    cluster, itself included; `flags` come last on its command line."""

    def __init__(self, folder: Path, *, scheme: str = "http", flags: Sequence[str] = ()) -> None:
        self.folder = folder
        self.endpoint = f"{scheme}://127.0.0.1:{free_port()}"
        self.peer = f"http://127.0.0.1:{free_port()}"
        self.members: list[Etcd] = [self]
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the data that is there, and return when it serves."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it; a member of several serves only once most of them run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)

    def wait(self) -> None:
        """Until it serves."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"etcd does not start: {(self.folder / 'etcd.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def _command(self) -> list[str]:
        return [
            ETCD,
            f"--data-dir={self.folder / 'data'}",
            f"--listen-client-urls={self.endpoint}",
            f"--advertise-client-urls={self.endpoint}",
            f"--name={self.peer}",
            f"--listen-peer-urls={self.peer}",
            f"--initial-advertise-peer-urls={self.peer}",
            f"--initial-cluster={','.join(f'{member.peer}={member.peer}' for member in self.members)}",
            "--logger=zap",
            "--log-level=warn",
            "--heartbeat-interval=50",
            "--election-timeout=500",
            *self._flags,
        ]

    def _healthy(self) -> bool:
        if self.endpoint.startswith("https"):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", int(self.endpoint.rpartition(":")[2]))),
            ):
                return True
            return False
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.endpoint}/health", timeout=1) as answer:
            return b'"true"' in answer.read()
        return False

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def hang(self) -> None:
        """It goes on existing and does nothing, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    """A fresh etcd for one test."""
    if not Path(ETCD).exists():
        pytest.skip("etcd is not installed")
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def etcd_members(tmp_path: Path) -> Iterator[list[Etcd]]:
    """Three members of one fresh cluster."""
    if not Path(ETCD).exists():
        pytest.skip("etcd is not installed")
    members = [Etcd(tmp_path / f"etcd{number}") for number in range(3)]
    for member in members:
        member.members = members
        member.launch()
    for member in members:
        member.wait()
    yield members
    for member in members:
        member.stop()


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> certificates.Pki:
    return certificates.make(tmp_path_factory.mktemp("pki"))
