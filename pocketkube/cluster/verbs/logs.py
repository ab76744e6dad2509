"""`pk logs COMPONENT [-f]`: a component's log."""

from __future__ import annotations

import argparse
import os

from pocketkube.cluster.components import components
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "component", help="etcd, apiserver, scheduler, controller, kubelet, proxy, engine or supervisor"
    )
    parser.add_argument("-f", "--follow", action="store_true")
    parser.add_argument("--tail", type=int, default=-1, metavar="LINES", help="only the last so many lines")
    parser.add_argument("--node", default="", help="of which node, where there are several")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    known = [c for c in components(layout, layout.read()) if not args.node or c.node == args.node]
    files = {"supervisor": "supervisor.log"}
    for component in known:
        files.setdefault(component.name, component.log)
        files[component.id] = component.log
    if args.component not in files:
        raise ClusterError(f"there is no component {args.component!r}: {', '.join(files)}")
    path = layout.logs / files[args.component]
    if not path.exists():
        raise ClusterError(f"{args.component} has not logged yet")
    lines = "+1" if args.tail < 0 else str(args.tail)
    os.execvp("tail", ["tail", "-n", lines, *(["-F"] if args.follow else []), str(path)])


VERB = Verb("print a component's log", run, arguments)
