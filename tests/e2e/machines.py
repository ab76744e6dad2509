"""Machines on one machine: each a network, a host name, a /run and an engine's data of its own, joined by a bridge.

What runs in one sees what it would see on real hardware of its own, but for the processes and the kernel.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT, run

PRIVATE = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p {root}/docker /var/lib/docker &&
mount --bind {root}/docker /var/lib/docker && hostname {name} && echo ready && exec sleep infinity
"""


class Bridge:
    """The wire between machines. `prefix` is the first three octets of its /24; this machine itself is .1.
    `there`: someone else made it, and removes it."""

    def __init__(self, name: str, prefix: str, *, there: bool = False):
        self.name, self.prefix = name, prefix
        if there:
            return
        subprocess.run(["ip", "link", "del", name], capture_output=True)  # left by a run of these tests that was killed
        run("ip", "link", "add", name, "type", "bridge")
        run("ip", "addr", "add", f"{prefix}.1/24", "dev", name)
        run("ip", "link", "set", name, "up")
        for way in ("-i", "-o"):
            run("iptables", "-w", "-I", "FORWARD", way, name, "-j", "ACCEPT")

    def remove(self) -> None:
        for way in ("-i", "-o"):
            run("iptables", "-w", "-D", "FORWARD", way, self.name, "-j", "ACCEPT")
        run("ip", "link", "del", self.name)


class Machine:
    """`root` holds its disk; `number` is the last octet of its address."""

    def __init__(self, name: str, bridge: Bridge, *, number: int, root: Path):
        self.name, self.bridge, self.root = name, bridge, root
        self.address = f"{bridge.prefix}.{number}"
        self.veth = f"{bridge.name}-{number}"
        root.mkdir(parents=True)
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "sh", "-c", PRIVATE.format(root=root, name=name)],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout and self._holder.stdout.readline() == "ready\n"
        run("ip", "link", "add", self.veth, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        run("ip", "link", "set", self.veth, "master", bridge.name, "up")
        for words in (
            "link set lo up", f"addr add {self.address}/24 dev eth0", "link set eth0 up",
            f"route add default via {bridge.prefix}.1",
        ):  # fmt: skip
            self.run("ip", *words.split())

    @property
    def enter(self) -> list[str]:
        return ["nsenter", f"--target={self._holder.pid}", "--net", "--mount", "--uts", "--"]

    @property
    def home(self) -> Path:
        return self.root / "pocketkube"

    def run(self, *command: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Standard output of a command on this machine, which must succeed."""
        return run(*self.enter, *command, stdin=stdin, env=self.environment, timeout=timeout)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "POCKETKUBE_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def pk(self, *words: str, timeout: float = 120) -> str:
        return self.run(sys.executable, "-m", "pocketkube.cluster", *words, timeout=timeout)

    def pk_fails(self, *words: str) -> str:
        """Standard error of a pk that must fail."""
        command = [*self.enter, sys.executable, "-m", "pocketkube.cluster", *words]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def cut_off(self) -> None:
        run("ip", "link", "set", self.veth, "down")

    def reconnect(self) -> None:
        run("ip", "link", "set", self.veth, "up")

    def remove(self) -> None:
        """Its namespaces go with the last process in them."""
        os.killpg(self._holder.pid, signal.SIGKILL)
        self._holder.communicate(timeout=10)
        subprocess.run(["ip", "link", "del", self.veth], capture_output=True)
