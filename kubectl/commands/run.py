"""`kubectl run NAME --image=IMAGE`: one pod; with -it attached to the terminal, with --rm removed afterwards."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from kubectl import printers, streams
from kubectl.command import Command, Parser, add_output, add_write, suffix, write_params
from kubectl.errors import CommandError
from kubectl.resolve import Target
from kubectl.session import Session
from kubectl.waiting import states
from pocketkube.client.resources import PODS

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("name")
    parser.add_argument("--image", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("-l", "--labels", default="")
    parser.add_argument("--restart", default="Always", choices=("Always", "OnFailure", "Never"))
    parser.add_argument("--image-pull-policy", default="")
    parser.add_argument("--command", action="store_true", help="what follows -- is the command, not its arguments")
    parser.add_argument("-i", "--stdin", action="store_true")
    parser.add_argument("-t", "--tty", action="store_true")
    parser.add_argument("--attach", action="store_true")
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--overrides", default="")
    parser.add_argument("--privileged", action="store_true")
    parser.add_argument("args", nargs="*")
    add_output(parser)
    add_write(parser, manager="kubectl-run")


def pod(args: argparse.Namespace, namespace: str) -> Obj:
    words = [*args.args, *(args.tail or [])]
    container: Obj = {"name": args.name, "image": args.image, "resources": {}}
    if words:
        container["command" if args.command else "args"] = words
    if args.env:
        container["env"] = [{"name": k, "value": v} for k, _, v in (e.partition("=") for e in args.env)]
    if args.port:
        container["ports"] = [{"containerPort": args.port}]
    if args.stdin:
        container.update(stdin=True, stdinOnce=True, tty=args.tty)
    if args.image_pull_policy:
        container["imagePullPolicy"] = args.image_pull_policy
    if args.privileged:
        container["securityContext"] = {"privileged": True}
    labels = dict(p.split("=", 1) for p in args.labels.split(",") if p) or {"run": args.name}
    meta = {"name": args.name, "namespace": namespace, "labels": labels}
    made: Obj = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
    made["spec"] = {"containers": [container], "restartPolicy": args.restart, "dnsPolicy": "ClusterFirst"}
    if args.overrides:
        import json

        from pocketkube.api.meta.patches import merge_patch

        merged: Obj = merge_patch(made, json.loads(args.overrides))
        return merged
    return made


async def run(session: Session, args: argparse.Namespace) -> int:
    attach = args.attach or args.stdin
    if args.rm and not attach:
        raise CommandError("--rm should only be used for attached containers")
    manifest = pod(args, session.namespace)
    made = manifest
    if args.dry_run not in ("client", "unchanged"):
        made = await session.client.create(PODS, manifest, session.namespace, **write_params(args))
    if args.output:
        session.out.write(printers.printer(args.output)(made))
        return 0
    if not attach:
        session.say(f"pod/{args.name} created{suffix(args)}")
        return 0
    try:
        return await _attach(session, args)
    finally:
        if args.rm:
            await session.client.delete(PODS, args.name, session.namespace)
            session.say(f'pod "{args.name}" deleted from {session.namespace} namespace')


async def _attach(session: Session, args: argparse.Namespace) -> int:
    found = await session.discovery.find("pods")
    target = Target(found, session.namespace, args.name)
    phase = await asyncio.wait_for(_started(session, target), 300)
    if phase == "Running":
        if args.stdin and not args.quiet:
            session.warn("If you don't see a command prompt, try pressing enter.")
        path = PODS.path(session.namespace, args.name, "attach")
        params = {"container": args.name, "stdin": args.stdin, "stdout": True, "stderr": not args.tty, "tty": args.tty}
        return await streams.interactive(session, path, params, stdin=args.stdin, tty=args.tty)
    text = await session.client.raw("GET", PODS.path(session.namespace, args.name, "log"))
    session.out.write(text.decode(errors="replace"))
    return 0


async def _started(session: Session, target: Target) -> str:
    async for obj in states(session, target):
        phase = str(((obj or {}).get("status") or {}).get("phase", ""))
        if phase in ("Running", "Succeeded", "Failed"):
            return phase
    return ""


COMMAND = Command(help="Run a particular image on the cluster", run=run, arguments=arguments)
