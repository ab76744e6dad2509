"""A cluster's whole state in one file: etcd's snapshot, and the keys and decisions without which it cannot be read again.

The file is a tar: `etcd.db`, `cluster.json`, `pki/...`. It holds the cluster's private keys.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from pocketkube.cluster import prepare
from pocketkube.cluster.components import etcd_members, etcd_peer
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec

DATABASE, SPEC, PKI = "etcd.db", "cluster.json", "pki"


def save(layout: Layout, spec: ClusterSpec, target: Path) -> int:
    """Write the running cluster's state to `target`, readable by its owner only. Returns its size in bytes."""
    with tempfile.TemporaryDirectory(dir=layout.root) as folder:
        database = Path(folder, DATABASE)
        endpoint = spec.etcd_urls.split(",")[0]
        _etcdctl(
            "snapshot", "save", str(database), f"--endpoints={endpoint}", f"--cacert={layout.pki / 'etcd-ca.crt'}",
            f"--cert={layout.pki / 'apiserver-etcd-client.crt'}", f"--key={layout.pki / 'apiserver-etcd-client.key'}",
        )  # fmt: skip
        part = target.with_name(target.name + ".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(database, DATABASE)
            archive.add(layout.spec, SPEC)
            archive.add(layout.pki, PKI)
        part.rename(target)
    return target.stat().st_size


def read_spec(source: Path) -> ClusterSpec:
    """The cluster that a snapshot was taken of. Raises ClusterError if it is none."""
    try:
        with tarfile.open(source) as archive:
            member = archive.extractfile(SPEC)
            assert member is not None
            return ClusterSpec.from_json(member.read().decode())
    except FileNotFoundError:
        raise ClusterError(f"there is no file {source}") from None
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise ClusterError(f"{source} is no snapshot that `./pk snapshot save` wrote: {error}") from error


def restore(layout: Layout, spec: ClusterSpec, source: Path) -> None:
    """Put a snapshot's state in place of whatever the stopped cluster `spec` held. Its members start as a new etcd cluster."""
    layout.make()
    with tempfile.TemporaryDirectory(dir=layout.root) as folder:
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
        shutil.rmtree(layout.root / "etcd", ignore_errors=True)
        (layout.root / "etcd").mkdir(mode=0o700)
        for index in range(spec.etcd_members):
            _etcdctl(
                "snapshot", "restore", str(Path(folder, DATABASE)), f"--name=m{index}",
                f"--initial-cluster={etcd_members(spec)}", f"--initial-cluster-token=pocketkube-{spec.name}",
                f"--initial-advertise-peer-urls={etcd_peer(spec, index)}", f"--data-dir={layout.etcd(index)}",
            )  # fmt: skip
        shutil.rmtree(layout.pki, ignore_errors=True)
        shutil.move(Path(folder, PKI), layout.pki)
    for path in layout.pki.iterdir():
        path.chmod(0o600)


def _etcdctl(*words: str) -> None:
    program = prepare.which("etcdctl")
    if program is None:
        raise ClusterError("etcdctl is not on this machine: install it (Debian: apt-get install etcd-client)")
    done = subprocess.run([program, *words], env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"etcdctl {' '.join(words[:2])} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
