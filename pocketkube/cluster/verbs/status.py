"""`pk status`: what runs, where it listens, where it logs."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pocketkube.cluster import processes
from pocketkube.cluster.api import Api
from pocketkube.cluster.components import components
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.processes import Identity
from pocketkube.cluster.spec import ClusterSpec
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    spec = layout.read()
    status = read(layout, spec)
    if args.output == "json":
        print(json.dumps(status, indent=2))
    else:
        _print(layout, status)
    return 0 if status["components"] and all(c["state"] == "running" for c in status["components"]) else 3


def read(layout: Layout, spec: ClusterSpec) -> dict[str, Any]:
    """The promised shape: server, kubeconfig, nodes, components."""
    running = processes.supervisor_of(layout.state) is not None
    ready = Api.of(layout, spec).nodes() if running else {}
    known = {row["id"]: row for row in processes.read_state(layout.state).get("components", [])}
    rows = []
    for component in components(layout, spec):
        row = known.get(component.id, {})
        alive = bool(row.get("pid")) and Identity(row["pid"], row["started"]).alive()
        state = "running" if alive else row.get("state", "stopped") if running else "stopped"
        rows.append({
            "name": component.name, "node": component.node, "id": component.id, "pid": row["pid"] if alive else None,
            "state": "restarting" if state == "running" and not alive else state,
            "restarts": row.get("restarts", 0), "log": str(layout.logs / component.log),
        })  # fmt: skip
    return {
        "name": layout.name,
        "server": spec.server,
        "kubeconfig": str(layout.kubeconfig),
        "nodes": [{"name": n.name, "address": n.address, "ready": ready.get(n.name, False)} for n in spec.nodes],
        "components": rows,
    }


def _print(layout: Layout, status: dict[str, Any]) -> None:
    print(f"cluster     {layout.name}\nserver      {status['server']}\nkubeconfig  {status['kubeconfig']}\n")
    for node in status["nodes"]:
        print(f"node {node['name']} ({node['address']}): {'Ready' if node['ready'] else 'not ready'}")
    print(f"\n{'COMPONENT':14}{'NODE':18}{'STATE':12}{'PID':>8}{'RESTARTS':>10}  LOG")
    for c in status["components"]:
        print(f"{c['name']:14}{c['node']:18}{c['state']:12}{c['pid'] or '-':>8}{c['restarts']:>10}  {c['log']}")


VERB = Verb("show a cluster's nodes and processes", run, arguments)
