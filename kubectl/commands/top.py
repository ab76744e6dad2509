"""`kubectl top node|pod`: what is used of CPU and memory now, from the metrics API where a server has one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from kubectl import printers
from kubectl.command import Command, Parser, add_selectors
from kubectl.errors import CommandError
from kubectl.resolve import selectors
from kubectl.session import Session
from pocketkube.api.meta import quantity
from pocketkube.client.resources import NODES, Resource

Obj = dict[str, Any]
Usage = tuple[int, int]  # thousandths of a CPU, bytes

NODE_METRICS = Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", False)
POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)
UNKNOWN = "<unknown>"


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="NAME")
    add_selectors(parser)
    parser.add_argument("--no-headers", action="store_true")
    parser.add_argument("--sort-by", default="", choices=("", "cpu", "memory"))


def _pod_arguments(parser: Parser) -> None:
    _arguments(parser)
    parser.add_argument("--containers", action="store_true", help="a line for each container")


async def _metrics(session: Session, resource: Resource, namespace: str, args: argparse.Namespace) -> list[Obj]:
    """Of one name, or of all that the selectors take. Raises CommandError where no server answers for them."""
    if all(found.resource.group != resource.group for found in await session.discovery.all()):
        raise CommandError("Metrics API not available")
    if args.words:
        return [await session.client.get(resource, args.words[0], namespace)]
    return await session.client.items(resource, namespace, **selectors(args))


def usage(amounts: Iterable[Obj]) -> Usage:
    """The sum of several `usage` maps."""
    cpu = memory = 0
    for amount in amounts:
        cpu += quantity.milli(str(amount.get("cpu", "0")))
        memory += quantity.value(str(amount.get("memory", "0")))
    return cpu, memory


def _cells(used: Usage) -> list[str]:
    return [f"{used[0]}m", f"{used[1] >> 20}Mi"]


def _share(used: int, whole: int) -> str:
    return f"{used * 100 // whole}%" if whole else UNKNOWN


def _print(session: Session, args: argparse.Namespace, head: list[str], rows: list[tuple[Usage, list[str]]]) -> None:
    """The biggest first when sorted by an amount; by name otherwise."""
    at = {"cpu": 0, "memory": 1}.get(args.sort_by)
    rows.sort(key=lambda row: row[1] if at is None else (-row[0][at], row[1]))
    lines = [cells for _, cells in rows]
    session.out.write(printers.align(lines if args.no_headers else [head, *lines]))


async def _nodes(session: Session, args: argparse.Namespace) -> int:
    found = {
        m["metadata"]["name"]: usage([m.get("usage") or {}]) for m in await _metrics(session, NODE_METRICS, "", args)
    }
    if args.words:
        nodes = [await session.client.get(NODES, args.words[0])]
    else:
        nodes = await session.client.items(NODES, **selectors(args))
    rows: list[tuple[Usage, list[str]]] = []
    for node in nodes:
        name = node["metadata"]["name"]
        used = found.get(name)
        if used is None:  # it runs, and nobody has measured it yet
            rows.append(((-1, -1), [name, *[UNKNOWN] * 4]))
            continue
        whole = usage([(node.get("status") or {}).get("allocatable") or {}])
        cpu, memory = _cells(used)
        rows.append((used, [name, cpu, _share(used[0], whole[0]), memory, _share(used[1], whole[1])]))
    _print(session, args, ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows)
    return 0


async def _pods(session: Session, args: argparse.Namespace) -> int:
    namespace = "" if args.all_namespaces else session.namespace
    found = await _metrics(session, POD_METRICS, namespace, args)
    if not found:
        session.warn("No resources found" if args.all_namespaces else f"No resources found in {namespace} namespace.")
        return 0
    rows: list[tuple[Usage, list[str]]] = []
    for pod in found:
        where = [pod["metadata"]["namespace"]] if args.all_namespaces else []
        name, containers = pod["metadata"]["name"], pod.get("containers") or []
        if args.containers:
            for container in containers:
                used = usage([container.get("usage") or {}])
                rows.append((used, [*where, name, container["name"], *_cells(used)]))
        else:
            used = usage(container.get("usage") or {} for container in containers)
            rows.append((used, [*where, name, *_cells(used)]))
    head = [*(["NAMESPACE"] if args.all_namespaces else []), *(["POD"] if args.containers else [])]
    _print(session, args, [*head, "NAME", "CPU(cores)", "MEMORY(bytes)"], rows)
    return 0


COMMAND = Command(
    help="Display resource (CPU/memory) usage",
    subcommands={
        "node": Command(help="of nodes", run=_nodes, arguments=_arguments, aliases=("nodes", "no")),
        "pod": Command(help="of pods", run=_pods, arguments=_pod_arguments, aliases=("pods", "po")),
    },
)
