"""`kubectl expose deployment web --port=80`: a service for what selects pods."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_write, suffix, write_params
from kubectl.errors import CommandError
from kubectl.resolve import objects
from kubectl.session import Session
from pocketkube.client.resources import SERVICES

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE NAME")
    add_files(parser)
    add_output(parser)
    add_write(parser, manager="kubectl-expose")
    parser.add_argument("--port", default="")
    parser.add_argument("--target-port", default="")
    parser.add_argument("--protocol", default="TCP")
    parser.add_argument("--name", default="")
    parser.add_argument("--type", default="")
    parser.add_argument("--selector", default="")
    parser.add_argument("--cluster-ip", default="")
    parser.add_argument("--external-ip", default="")
    parser.add_argument("-l", "--labels", default="")
    parser.add_argument("--session-affinity", default="")


def selector_of(obj: Obj) -> dict[str, str]:
    """The labels that select an object's pods."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "Pod":
        found: dict[str, str] = obj["metadata"].get("labels") or {}
        if not found:
            raise CommandError(
                "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed"
            )
        return found
    selector = spec.get("selector") or {}
    if obj["kind"] in ("Service", "ReplicationController"):
        return dict(selector)
    if "matchExpressions" in selector:
        raise CommandError("couldn't convert expressions - matchExpressions to map-based selector format")
    return dict(selector.get("matchLabels") or {})


def ports_of(obj: Obj) -> list[int]:
    spec = obj.get("spec") or {}
    if obj["kind"] == "Service":
        return [p["port"] for p in spec.get("ports") or ()]
    pod = spec if obj["kind"] == "Pod" else (spec.get("template") or {}).get("spec") or {}
    return [p["containerPort"] for c in pod.get("containers") or () for p in c.get("ports") or ()]


def service(args: argparse.Namespace, obj: Obj, namespace: str) -> Obj:
    selector = dict(p.split("=", 1) for p in args.selector.split(",") if p) or selector_of(obj)
    numbers = [int(p) for p in args.port.split(",") if p] or ports_of(obj)
    if not numbers:
        raise CommandError("couldn't find port via --port flag or introspection")
    ports: list[Obj] = []
    for number in numbers:
        target: int | str = args.target_port or number
        ports.append(
            {"port": number, "protocol": args.protocol, "targetPort": int(target) if str(target).isdigit() else target}
        )
    if len(ports) > 1:
        for index, port in enumerate(ports, 1):
            port["name"] = f"port-{index}"
    spec: Obj = {"selector": selector, "ports": ports}
    for name, value in (
        ("type", args.type),
        ("clusterIP", args.cluster_ip),
        ("sessionAffinity", args.session_affinity),
    ):
        if value:
            spec[name] = value
    if args.external_ip:
        spec["externalIPs"] = [args.external_ip]
    labels = dict(p.split("=", 1) for p in args.labels.split(",") if p) or obj["metadata"].get("labels") or {}
    meta = {
        "name": args.name or obj["metadata"]["name"],
        "namespace": namespace,
        **({"labels": labels} if labels else {}),
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


async def run(session: Session, args: argparse.Namespace) -> int:
    for target, obj in await objects(session, args.words, args):
        made = service(args, obj, target.namespace)
        if args.dry_run not in ("client", "unchanged"):
            made = await session.client.create(SERVICES, made, target.namespace, **write_params(args))
        if args.output:
            session.out.write(printers.printer(args.output)(made))
        else:
            session.say(f"service/{made['metadata']['name']} exposed{suffix(args)}")
    return 0


COMMAND = Command(
    help="Expose a deployment, replica set, service or pod as a new service", run=run, arguments=arguments
)
