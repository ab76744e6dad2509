"""What the machine must have before a cluster can start, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pocketkube.cluster import console
from pocketkube.cluster.errors import ClusterError

MIN_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Need:
    """A program, the Debian package that brings it, and what for."""

    package: str
    why: str
    present: Callable[[], bool]


def _program(name: str) -> Callable[[], bool]:
    return lambda: which(name) is not None


def which(name: str) -> str | None:
    """As the shell finds it, and in the folders for administrators, which a plain user's PATH lacks."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def engine_answers(path: str = "/var/run/docker.sock") -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(path)
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(64)
        except OSError:
            return False


def _static_busybox() -> bool:
    path = Path("/bin/busybox")
    return path.exists() and b"ld-linux" not in path.read_bytes()[:4096]


NEEDS = (
    Need("etcd-server", "the store", _program("etcd")),
    Need("nftables", "service traffic", _program("nft")),
    Need("iproute2", "pod network", _program("ip")),
    Need("busybox-static", "the shell inside the images built here", _static_busybox),
)
BACKUP = Need("etcd-client", "saves and restores the store", _program("etcdctl"))
ENGINE = Need("docker.io", "runs the pods", _program("dockerd"))


def check_machine() -> None:
    """Raise before anything is started if this machine cannot hold a cluster."""
    if platform.system() != "Linux":
        raise ClusterError(
            f"pocketkube runs pods on Linux and this is {platform.system()}: use a Linux machine or a virtual one"
        )
    if os.geteuid() != 0:
        raise ClusterError("networks and containers need root: run it again as root (sudo ./pk up)")


def check_disk(folder: Path) -> None:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < MIN_FREE_BYTES:
        raise ClusterError(
            f"only {free >> 20} MiB are free at {there} and a cluster needs {MIN_FREE_BYTES >> 20}: free some space"
        )


def missing(*, own_engines: bool, control_plane: bool = True) -> list[Need]:
    wanted = [need for need in NEEDS if control_plane or need.package != "etcd-server"]
    if own_engines or not engine_answers():
        wanted.append(ENGINE)
    return [need for need in wanted if not need.present()]


def install(needs: list[Need], *, yes: bool) -> None:
    """Get Debian packages, after saying which; asks a person first unless `yes`."""
    if not needs:
        return
    names = [need.package for need in needs]
    if not which("apt-get"):
        listed = ", ".join(f"{n.package} ({n.why})" for n in needs)
        raise ClusterError(f"this machine lacks {listed}: install them by its own package manager, then run it again")
    console.say("Missing on this machine, to be installed from its Debian package sources:")
    for need in needs:
        console.say(f"  {need.package:16} {need.why}")
    if not yes and not console.confirm("Install them now?"):
        raise ClusterError(f"nothing was installed: run `apt-get install {' '.join(names)}`, or ./pk up --yes")
    with console.step(f"Installing {', '.join(names)}"):
        _apt(names)


def _apt(names: list[str]) -> None:
    # services must not start on their own: a packaged etcd would take a port, and we start our engine ourselves
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install_command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names]
    for command in (install_command, ["apt-get", "update", "-q"], install_command):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if command is install_command and done.returncode == 0:
            return
    tail = (done.stderr or done.stdout).strip().splitlines()[-1:]
    raise ClusterError(f"apt-get could not install {' '.join(names)}: {' '.join(tail)}")
