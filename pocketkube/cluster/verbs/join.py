"""`pk join SERVER --token TOKEN`: make this machine a worker of a cluster whose control plane runs elsewhere."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import shutil
import socket

from pocketkube.cluster import console, engine, joining, lifecycle, network, planning, prepare
from pocketkube.cluster import spec as specs
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec, NodeSpec
from pocketkube.cluster.verbs import Verb

EPHEMERAL = "pocketkube.io/ephemeral"  # the label by which the controller manager knows them


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", help="the control plane's URL, as `./pk token create` prints it")
    parser.add_argument("--token", required=True, help="a bootstrap token: ID.SECRET")
    parser.add_argument("--node-name", default="", help="name of the node (default: this machine's)")
    parser.add_argument(
        "--node-ip", default="", help="address that other nodes reach it at (default: found by routing)"
    )
    parser.add_argument(
        "--wait", type=int, default=0, metavar="SECONDS", help="for a control plane that is still starting (default: 0)"
    )
    parser.add_argument(
        "--ephemeral",
        type=int,
        default=0,
        metavar="SECONDS",
        help="the cluster may forget this node once it has been away for so long (default: never)",
    )
    parser.add_argument("--yes", "-y", action="store_true", help="install what is missing without asking")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    prepare.check_machine()
    if specs.read(layout.spec):
        raise ClusterError(f"this machine is part of cluster {layout.name!r} already: ./pk leave{layout.flag} first")
    if not args.server.startswith("https://"):
        raise ClusterError(f"{args.server!r} is no control plane's URL: it is https://ADDRESS:PORT")
    with console.step("Asking the cluster how to join"):
        found = joining.discover_patiently(args.server, args.token, seconds=args.wait)
    name = args.node_name or re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")
    try:
        spec = _join(args, found, layout, name)
    except ClusterError as error:
        joining.tell(found, str(error), token=args.token, name=name)
        raise
    lifecycle.create(layout, spec)
    lifecycle.start(layout, spec)
    console.say(
        f"Node {name} is Ready. To take it away again: kubectl drain {name} --ignore-daemonsets, then ./pk leave{layout.flag}"
    )
    return 0


def _join(args: argparse.Namespace, found: joining.Found, layout: Layout, name: str) -> ClusterSpec:
    """All that may be refused: what this machine is, and what the cluster says to it. Leaves nothing behind if it is."""
    joining.check_clock(found.date, dt.datetime.now(dt.UTC))
    prepare.check_disk(layout.root)
    prepare.install(prepare.missing(own_engines=False, control_plane=False), yes=args.yes)
    spec = _plan(args, found, layout, name)
    planning.check_ports(spec)
    layout.make()
    node = spec.nodes[0]
    try:
        with console.step(f"Getting certificates for node {node.name}"):
            joining.obtain_identity(layout, found, token=args.token, name=node.name, address=node.address)
    except BaseException:
        shutil.rmtree(layout.root)
        raise
    return spec


def _plan(args: argparse.Namespace, found: joining.Found, layout: Layout, name: str) -> ClusterSpec:
    """Decide this node's address; raise if the cluster's networks cannot be had here."""
    host = socket.getaddrinfo(joining.server_host(found.cluster.server), None, socket.AF_INET)[0][4][0]
    address = args.node_ip or network.primary_address(str(host))
    if not address:
        raise ClusterError(f"this machine has no route to {host}: give the address to use with --node-ip")
    joining.check_networks(found.cluster, local=network.local_networks(), server_ip=str(host))
    there = prepare.engine_answers()
    if there:
        engine.check_version()
    return ClusterSpec(
        name=layout.name, slot=0, address=address, nodes=(NodeSpec(name=name, address=address),),
        engine="host" if there else "own", joined=found.cluster,
        labels={EPHEMERAL: str(args.ephemeral)} if args.ephemeral else {},
    )  # fmt: skip


VERB = Verb("make this machine a worker of a cluster elsewhere", run, arguments)
