"""Where a cluster keeps its files: one folder a cluster below `$POCKETKUBE_HOME` (default `~/.pocketkube`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pocketkube.cluster import spec as specs
from pocketkube.cluster.errors import ClusterError

REPOSITORY = Path(__file__).resolve().parents[2]


def home() -> Path:
    return Path(os.environ.get("POCKETKUBE_HOME") or Path.home() / ".pocketkube").absolute()


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one cluster. Nothing here touches the disk but `make`."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> Layout:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", name):
            raise ClusterError(f"{name!r} is no cluster name: use up to 32 lower-case letters, digits and '-'")
        return cls(name, home() / name)

    @property
    def spec(self) -> Path:
        return self.root / "cluster.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What the supervisor knows of its processes."""
        return self.root / "state.json"

    @property
    def backends(self) -> Path:
        """The API servers that the balancers know, ADDRESS:PORT a line."""
        return self.root / "backends"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    def component_kubeconfig(self, component: str) -> Path:
        return self.root / "kubeconfigs" / component

    def etcd(self, index: int) -> Path:
        return self.root / "etcd" / str(index)

    def node(self, node: str) -> Path:
        return self.root / "nodes" / node

    def make(self) -> None:
        for path in (self.root, self.pki, self.logs, self.root / "kubeconfigs"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self) -> specs.ClusterSpec:
        """The cluster's spec; an error that says what to do if there is none."""
        found = specs.read(self.spec)
        if found is None:
            raise ClusterError(f"there is no cluster {self.name!r}: start one with ./pk up{self.flag}")
        return found

    @property
    def flag(self) -> str:
        """How to name this cluster on a command line."""
        return "" if self.name == "default" else f" --name {self.name}"


def all_clusters() -> Iterator[tuple[Layout, specs.ClusterSpec]]:
    if not home().is_dir():
        return
    for path in sorted(home().iterdir()):
        found = specs.read(path / "cluster.json") if path.is_dir() else None
        if found:
            yield Layout(path.name, path), found
