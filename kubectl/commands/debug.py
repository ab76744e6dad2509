"""`kubectl debug POD | node/NODE`: a container beside a pod's own, a copy of a pod that may be changed, or a pod that sees a node."""

from __future__ import annotations

import argparse
import copy
from typing import Any

from kubectl import printers, streams
from kubectl.command import Command, Parser, add_output
from kubectl.debugging import copy_of, ephemeral, node_pod
from kubectl.errors import CommandError
from kubectl.pods import pods_of
from kubectl.resolve import Target
from kubectl.session import Session
from kubectl.waiting import bounded, states
from pocketkube.api.meta.errors import StatusError
from pocketkube.client.resources import NODES, PODS

Obj = dict[str, Any]

START_SECONDS = 300


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="POD")
    add_output(parser)
    parser.add_argument("--image", default="")
    parser.add_argument("--image-pull-policy", default="")
    parser.add_argument("-c", "--container", default="")
    parser.add_argument("-i", "--stdin", action="store_true")
    parser.add_argument("-t", "--tty", action="store_true")
    parser.add_argument("--attach", nargs="?", const="true", default="")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--target", default="", help="the container whose processes shall be seen")
    parser.add_argument("--copy-to", default="")
    parser.add_argument("--replace", action="store_true")
    parser.add_argument("--same-node", action="store_true")
    parser.add_argument("--set-image", action="append", default=[])
    parser.add_argument("--share-processes", nargs="?", const="true", default="true")
    parser.add_argument("--arguments-only", action="store_true")
    parser.add_argument(
        "--profile", default="general", choices=("legacy", "general", "baseline", "netadmin", "restricted", "sysadmin")
    )


async def run(session: Session, args: argparse.Namespace) -> int:
    if not args.words:
        raise CommandError("you must specify --image when not using --copy-to.\nSee 'kubectl debug -h' for help and examples"
                           if not args.image and not args.copy_to else "NAME or TYPE/NAME is required for debug")  # fmt: skip
    word = args.words[0]
    on_node = word.partition("/")[0] in ("node", "nodes", "no") and "/" in word
    if not args.image and not args.copy_to:
        raise CommandError(
            "you must specify --image when not using --copy-to.\nSee 'kubectl debug -h' for help and examples"
        )
    if on_node and (args.copy_to or args.target):
        raise CommandError("--copy-to and --target are for pods, not for nodes")
    if on_node:
        node = await session.client.get(NODES, word.partition("/")[2])
        pod, name = node_pod(args, node)
        session.say(
            f"Creating debugging pod {pod['metadata']['name']} with container {name} on node {node['metadata']['name']}."
        )
        return await _created(session, args, pod, name)
    pod = (await pods_of(session, word))[0]
    return await (_copied if args.copy_to else _beside)(session, args, pod)


async def _beside(session: Session, args: argparse.Namespace, pod: Obj) -> int:
    """An ephemeral container in the pod as it runs."""
    container = ephemeral(args, pod)
    if not args.container:
        session.warn(f"Defaulting debug container name to {container['name']}.")
    if args.target:
        session.warn(
            f'Targeting container "{args.target}". If you don\'t see processes from this container it may be because the container '
            "runtime doesn't support this feature."
        )
    changed = copy.deepcopy(pod)
    changed["spec"].setdefault("ephemeralContainers", []).append(container)
    meta = pod["metadata"]
    after = await session.client.update(PODS, changed, subresource="ephemeralcontainers")
    if args.output:
        session.out.write(printers.printer(args.output)(after))
    return await _attached(session, args, meta["namespace"], meta["name"], container["name"])


async def _copied(session: Session, args: argparse.Namespace, pod: Obj) -> int:
    made, name = copy_of(args, pod)
    if args.image and not args.container:
        session.warn(f"Defaulting debug container name to {name}.")
    if args.replace:
        await session.client.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
    return await _created(session, args, made, name)


async def _created(session: Session, args: argparse.Namespace, pod: Obj, container: str) -> int:
    namespace = pod["metadata"].get("namespace") or session.namespace
    made = await session.client.create(PODS, pod, namespace)
    if args.output:
        session.out.write(printers.printer(args.output)(made))
    return await _attached(session, args, namespace, made["metadata"]["name"], container)


async def _attached(session: Session, args: argparse.Namespace, namespace: str, name: str, container: str) -> int:
    """Join the container once it runs, where that is asked for; of one that has ended already, what it said."""
    wanted = args.attach == "true" or (args.attach != "false" and args.stdin)
    if not container or not wanted:
        return 0
    target = Target(await session.discovery.find("pods"), namespace, name)
    state = await bounded(_started(session, target, container), START_SECONDS, f"pod/{name}")
    if state == "terminated":
        text = await session.client.raw("GET", PODS.path(namespace, name, "log"), params={"container": container})
        session.out.write(text.decode(errors="replace"))
        return 0
    if args.stdin and not args.quiet:
        session.warn("If you don't see a command prompt, try pressing enter.")
    params = {"container": container, "stdin": args.stdin, "stdout": True, "stderr": not args.tty, "tty": args.tty}
    try:
        return await streams.interactive(
            session, PODS.path(namespace, name, "attach"), params, stdin=args.stdin, tty=args.tty
        )
    except StatusError:  # it ended meanwhile
        text = await session.client.raw("GET", PODS.path(namespace, name, "log"), params={"container": container})
        session.out.write(text.decode(errors="replace"))
        return 0


async def _started(session: Session, target: Target, container: str) -> str:
    async for pod in states(session, target):
        if pod is None:
            raise CommandError(f"pod {target.name} is gone")
        status = pod.get("status") or {}
        for member in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            for found in status.get(member) or ():
                state = next(iter(found.get("state") or {"": None}))
                if found["name"] == container and state in ("running", "terminated"):
                    return str(state)
    return ""


COMMAND = Command(
    help="Create debugging sessions for troubleshooting workloads and nodes", run=run, arguments=arguments
)
