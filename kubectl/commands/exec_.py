"""`kubectl exec [-it] POD -- COMMAND`."""

from __future__ import annotations

import argparse

from kubectl import streams
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.pods import container_of, running_pod
from kubectl.session import Session
from pocketkube.client.resources import PODS


def arguments(parser: Parser) -> None:
    parser.add_argument("pod")
    parser.add_argument("-c", "--container", default="")
    parser.add_argument("-i", "--stdin", action="store_true")
    parser.add_argument("-t", "--tty", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")


async def run(session: Session, args: argparse.Namespace) -> int:
    if not args.tail:
        raise CommandError("you must specify at least one command for the container")
    pod = await running_pod(session, args.pod)
    container = container_of(session, pod, args.container, quiet=args.quiet)
    path = PODS.path(pod["metadata"]["namespace"], pod["metadata"]["name"], "exec")
    params = {"command": args.tail, "container": container, "stdout": True, "stderr": not args.tty}
    return await streams.interactive(session, path, params, stdin=args.stdin, tty=args.tty)


COMMAND = Command(help="Execute a command in a container", run=run, arguments=arguments)
