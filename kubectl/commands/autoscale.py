"""`kubectl autoscale TYPE NAME --min=N --max=N --cpu=80%`: let a workload follow its load."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, suffix
from kubectl.errors import CommandError
from kubectl.resolve import objects
from kubectl.session import Session
from pocketkube.client.resources import HORIZONTALPODAUTOSCALERS

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE NAME")
    add_files(parser)
    add_output(parser)
    parser.add_argument("--min", type=int, default=-1)
    parser.add_argument("--max", type=int)
    parser.add_argument("--cpu", default="", help="80%% of what pods request, or an amount as 500m")
    parser.add_argument("--memory", default="", help="80%% of what pods request, or an amount as 200Mi")
    parser.add_argument("--cpu-percent", type=int, default=-1, help=argparse.SUPPRESS)
    parser.add_argument("--name", default="")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    parser.add_argument("--field-manager", default="kubectl-autoscale")


async def run(session: Session, args: argparse.Namespace) -> int:
    if args.max is None:
        raise CommandError('required flag(s) "max" not set')
    if args.max < 1:
        raise CommandError(f"--max=MAXPODS is required and must be at least 1, max: {args.max}")
    if args.max < args.min:
        raise CommandError(f"--max=MAXPODS must be larger or equal to --min=MINPODS, max: {args.max}, min: {args.min}")
    for target, obj in await objects(session, args.words, args):
        if "scale" not in target.found.subresources:
            raise CommandError(f"cannot autoscale a {obj['kind']}: it has no scale")
        made = autoscaler(obj, args)
        if args.dry_run != "client":
            params = {"fieldManager": args.field_manager, **({"dryRun": "All"} if args.dry_run == "server" else {})}
            made = await session.client.create(HORIZONTALPODAUTOSCALERS, made, target.namespace, **params)
        if args.output:
            session.out.write(printers.printer(args.output)(made))
        else:
            session.say(f"horizontalpodautoscaler.autoscaling/{made['metadata']['name']} autoscaled{suffix(args)}")
    return 0


def autoscaler(obj: Obj, args: argparse.Namespace) -> Obj:
    """The HorizontalPodAutoscaler of a workload. Raises CommandError for a target that is no amount."""
    cpu = args.cpu or (f"{args.cpu_percent}%" if args.cpu_percent > 0 else "")
    spec: Obj = {
        "scaleTargetRef": {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]},
        "maxReplicas": args.max,
    }
    if args.min > 0:
        spec["minReplicas"] = args.min
    metrics = [_metric(name, text) for name, text in (("cpu", cpu), ("memory", args.memory)) if text]
    if metrics:
        spec["metrics"] = metrics
    name = args.name or obj["metadata"]["name"]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": obj["metadata"]["namespace"]},
        "spec": spec,
    }


def _metric(name: str, text: str) -> Obj:
    if text.endswith("%"):
        if not text[:-1].isdecimal():
            raise CommandError(f'invalid value for --{name}: "{text}"')
        target: Obj = {"type": "Utilization", "averageUtilization": int(text[:-1])}
    else:
        target = {"type": "AverageValue", "averageValue": text}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


COMMAND = Command(
    help="Auto-scale a deployment, replica set, stateful set or replication controller", run=run, arguments=arguments
)
