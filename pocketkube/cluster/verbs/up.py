"""`pk up`: from nothing to a Ready cluster, or a running one made larger or smaller. Safe to repeat."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from pocketkube.cluster import console, joining, lifecycle, planning, prepare, processes, readiness, scaling
from pocketkube.cluster import spec as specs
from pocketkube.cluster.api import Api
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, metavar="N", help="worker hosts; 1 is this machine itself (default: 1)")
    parser.add_argument("--api-servers", type=int, metavar="N", help="API servers (default: 1)")
    parser.add_argument("--etcd-members", type=int, metavar="N", help="etcd members: 1, 3 or 5 (default: 1)")
    parser.add_argument(
        "--advertise-address", default="", metavar="IP", help="address that nodes and pods reach the API server at"
    )
    parser.add_argument(
        "--server-name",
        default="",
        metavar="NAME",
        help="name by which nodes find the API server, instead of its address",
    )
    parser.add_argument(
        "--no-workloads",
        action="store_true",
        help="this machine is a node that is tainted as control plane: only pods that tolerate it run here",
    )
    parser.add_argument(
        "--flag", action="append", default=[], metavar="COMPONENT.FLAG=VALUE",
        help="set a flag of a component, as controller.node-monitor-grace-period=20s; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="a bootstrap token that lets other machines in from the start, for ever",
    )
    parser.add_argument("--yes", "-y", action="store_true", help="install what is missing without asking")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    prepare.check_machine()
    found = specs.read(layout.spec)
    if found:
        return _again(layout, found, args)
    spec = _new(layout, args)
    console.say(f"Starting cluster {layout.name!r}: {len(spec.nodes)} node(s), API at {spec.server}")
    lifecycle.create(layout, spec)
    lifecycle.start(layout, spec, token=_token(args))
    _next_steps(layout, spec)
    return 0


def _new(layout: Layout, args: argparse.Namespace) -> ClusterSpec:
    if args.no_workloads and args.nodes not in (None, 1):
        raise ClusterError("--no-workloads is for a node that is this machine itself: leave --nodes away")
    nodes, servers, members = args.nodes if args.nodes is not None else 1, args.api_servers or 1, args.etcd_members or 1
    _check_numbers(nodes, servers, members)
    prepare.check_disk(layout.root)
    prepare.install(prepare.missing(own_engines=nodes > 1), yes=args.yes)
    spec = planning.plan(
        layout.name, nodes=nodes, api_servers=servers, etcd_members=members, address=args.advertise_address,
        flags=_flags(args.flag), names=tuple(filter(None, [args.server_name])),
        workloads=not args.no_workloads,
    )  # fmt: skip
    planning.check_ports(spec)
    return spec


def _token(args: argparse.Namespace) -> str:
    try:
        return args.token_file.read_text().strip() if args.token_file else ""
    except OSError as error:
        raise ClusterError(f"--token-file {args.token_file}: {error.strerror}") from error


def _check_numbers(nodes: int, servers: int, members: int) -> None:
    if not 0 <= nodes <= 100 or not 1 <= servers <= 9 or members not in (1, 3, 5):
        raise ClusterError("--nodes takes 0 to 100, --api-servers 1 to 9, --etcd-members 1, 3 or 5")


def _flags(given: list[str]) -> dict[str, str]:
    for text in given:
        if not re.fullmatch(r"[a-z]+\.[a-z0-9-]+=.*", text):
            raise ClusterError(
                f"--flag {text!r} is not COMPONENT.FLAG=VALUE, as controller.node-monitor-grace-period=20s"
            )
    return {name: value for name, _, value in (text.partition("=") for text in given)}


def _again(layout: Layout, spec: ClusterSpec, args: argparse.Namespace) -> int:
    """There is a cluster of that name: nothing to do, or start it, or give it other numbers."""
    asked = (args.nodes, args.api_servers, args.etcd_members)
    there = (len(spec.nodes), spec.api_servers, spec.etcd_members)
    wanted = tuple(t if a is None else a for a, t in zip(asked, there, strict=True))
    if wanted != there:
        return _scale(layout, spec, wanted, args)
    if processes.supervisor_of(layout.state):
        ready = Api.of(layout, spec).nodes()
        if all(ready.get(n.name) for n in spec.nodes):
            console.say(
                f"Cluster {layout.name!r} is up already: {len(spec.nodes)} node(s) Ready at {spec.server}. Nothing to do."
            )
            return 0
        readiness.wait_ready(layout, spec)
        return 0
    needs = prepare.missing(own_engines=len(spec.nodes) > 1, control_plane=spec.control_plane)
    prepare.install(needs, yes=args.yes)
    console.say(f"Resuming cluster {layout.name!r}")
    spec = _moved(layout, spec, args.advertise_address)
    lifecycle.create(layout, spec)
    lifecycle.start(layout, spec, token=_token(args))
    _next_steps(layout, spec)
    return 0


def _scale(layout: Layout, spec: ClusterSpec, wanted: tuple[int, ...], args: argparse.Namespace) -> int:
    nodes, servers, members = wanted
    _check_numbers(nodes, servers, members)
    after = scaling.plan(spec, nodes=nodes, api_servers=servers, etcd_members=members)
    if not processes.supervisor_of(layout.state):
        raise ClusterError(f"cluster {layout.name!r} is stopped: ./pk start{layout.flag} first, then change its size")
    prepare.install(prepare.missing(own_engines=nodes > len(spec.nodes)), yes=args.yes)
    console.say(f"Changing cluster {layout.name!r} to {nodes} node(s) and {servers} API server(s)")
    scaling.apply(layout, spec, after)
    console.say("Done.")
    return 0


def _moved(layout: Layout, spec: ClusterSpec, address: str) -> ClusterSpec:
    """This machine's address may be another than last time: that of the control plane if it was given, that of a joined node."""
    if not spec.control_plane:
        return joining.follow_address(layout, spec)
    if not address or address == spec.address:
        return spec
    nodes = tuple(replace(n, address=address) if n.address == spec.address else n for n in spec.nodes)
    return replace(spec, address=address, nodes=nodes)


def _next_steps(layout: Layout, spec: ClusterSpec) -> None:
    if not spec.nodes:
        console.say("The control plane is ready, without nodes. To add one, run on another machine what this prints:")
        console.say(f"  ./pk token create{layout.flag}")
        return
    if not spec.control_plane:
        console.say(f"Node {spec.nodes[0].name} is Ready.")
        return
    console.say(f"""
The cluster is ready. Next:
  export KUBECONFIG=$(./pk kubeconfig{layout.flag})
  kubectl get nodes                       # or, without kubectl: ./pk kubectl{layout.flag} get nodes
  ./pk build examples/guestbook           # builds its images, no registry needed
  kubectl apply -f examples/guestbook/
  ./pk down{layout.flag}                               # removes everything again""")


VERB = Verb("start a cluster, or say that it is up", run, arguments)
