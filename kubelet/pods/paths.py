"""Where the kubelet keeps a pod's files below its root folder, laid out as upstream's."""

from __future__ import annotations

from pathlib import Path


class PodPaths:
    """`<root>/pods/<uid>`: volumes, what containers get bound in, termination messages."""

    def __init__(self, root: Path, uid: str) -> None:
        self.pod = root / "pods" / uid
        self.hosts = self.pod / "etc-hosts"
        self.resolver = self.pod / "resolv.conf"
        self.hostname = self.pod / "hostname"
        self.volumes = self.pod / "volumes"
        self.subpaths = self.pod / "volume-subpaths"

    def volume(self, source: str, name: str) -> Path:
        return self.volumes / f"kubernetes.io~{source}" / name

    def container(self, name: str) -> Path:
        return self.pod / "containers" / name

    def termination_message(self, name: str, attempt: int) -> Path:
        return self.container(name) / str(attempt)

    def subpath(self, volume: str, container: str, index: int) -> Path:
        return self.subpaths / volume / container / str(index)
