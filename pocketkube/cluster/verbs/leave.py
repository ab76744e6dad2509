"""`pk leave`: undo `pk join`: stop this machine's node, take it out of the cluster, remove what was made here."""

from __future__ import annotations

import argparse

from pocketkube.cluster import console, lifecycle, prepare
from pocketkube.cluster.api import Api
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    prepare.check_machine()
    spec = layout.read()
    if spec.control_plane:
        raise ClusterError(f"this machine holds the cluster's control plane: ./pk down{layout.flag} removes it")
    node = spec.nodes[0].name
    api = Api.of(layout, spec)
    with console.step(f"Stopping node {node}"):
        lifecycle.stop(layout, spec)
    problem = _delete(api, node)
    with console.step("Removing what it made here"):
        lifecycle.down(layout, spec)
    if problem:
        console.say(f"The cluster still lists node {node} ({problem}): kubectl delete node {node}")
    return 0


def _delete(api: Api, node: str) -> str:
    """Take the Node object away; what kept us from it, "" if nothing."""
    try:
        code, answer = api.call("DELETE", f"/api/v1/nodes/{node}")
    except OSError as error:
        return str(error)
    return "" if code < 300 or code == 404 else str(answer.get("message"))


VERB = Verb("take this machine out of the cluster that it joined", run)
