"""Kubeconfig files: one for the person (certificates inside, so that it can be carried away), one for each component."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec


def write_all(layout: Layout, spec: ClusterSpec) -> None:
    """The admin's at `layout.kubeconfig`; components' beside it, pointing at certificate files."""
    for node in spec.nodes:
        write_component(layout, f"kubelet-{node.name}", spec.internal_server, certificate=f"kubelet-{node.name}")
    if not spec.control_plane:
        write_component(layout, "proxy", spec.server, certificate=f"kubelet-{spec.nodes[0].name}")
        return
    admin = _config(spec.name, spec.server, "kubernetes-admin", {
        "cluster": {"certificate-authority-data": _inline(layout.pki / "ca.crt")},
        "user": {
            "client-certificate-data": _inline(layout.pki / "admin.crt"),
            "client-key-data": _inline(layout.pki / "admin.key"),
        },
    })  # fmt: skip
    _write(layout.kubeconfig, admin)
    for component in ("scheduler", "controller"):
        write_component(layout, component, spec.server, certificate=component)
    write_component(layout, "proxy", spec.internal_server, certificate="proxy")


def write_component(layout: Layout, component: str, server: str, *, certificate: str) -> None:
    config = _config(layout.name, server, component, {
        "cluster": {"certificate-authority": str(layout.pki / "ca.crt")},
        "user": {
            "client-certificate": str(layout.pki / f"{certificate}.crt"),
            "client-key": str(layout.pki / f"{certificate}.key"),
        },
    })  # fmt: skip
    _write(layout.component_kubeconfig(component), config)


def _config(cluster: str, server: str, user: str, parts: dict[str, dict[str, str]]) -> dict[str, Any]:
    name = f"pocketkube-{cluster}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, **parts["cluster"]}}],
        "users": [{"name": f"{user}-{name}", "user": parts["user"]}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"{user}-{name}"}}],
        "current-context": name,
        "preferences": {},
    }


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write(path: Path, config: dict[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(config, file, sort_keys=False)
