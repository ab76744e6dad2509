"""`kubectl port-forward POD|TYPE/NAME [LOCAL:]REMOTE...`: local ports that reach into a pod."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from kubectl import streams
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.pods import running_pod
from kubectl.session import Session
from pocketkube.client.resources import PODS, SERVICES

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("pod", metavar="POD|TYPE/NAME")
    parser.add_argument("ports", nargs="+", metavar="[LOCAL:]REMOTE")
    parser.add_argument("--address", default="localhost")
    parser.add_argument("--pod-running-timeout", default="1m0s", help=argparse.SUPPRESS)


async def run(session: Session, args: argparse.Namespace) -> int:
    pod = await running_pod(session, args.pod)
    service = await _service(session, args.pod)
    servers = []
    for word in args.ports:
        local, colon, remote = word.partition(":")
        port = _pod_port(pod, service, remote if colon else local)
        number = int(local or 0) if colon else (int(local) if local.isdigit() else port)
        hosts = ["127.0.0.1"] if args.address == "localhost" else args.address.split(",")
        for host in hosts:
            servers.append(await _listen(session, pod, host, local=number, port=port))
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server.serve_forever())
    return 0


async def _service(session: Session, word: str) -> Obj | None:
    kind, _, name = word.partition("/")
    return (
        await session.client.get(SERVICES, name, session.namespace) if kind in ("svc", "service", "services") else None
    )


def _pod_port(pod: Obj, service: Obj | None, word: str) -> int:
    """The container's port number: by number or name, through the service's target port if it is a service's."""
    if service is not None:
        for port in service["spec"].get("ports") or ():
            if word in (str(port["port"]), port.get("name")):
                word = str(port.get("targetPort", port["port"]))
                break
        else:
            raise CommandError(f"Service {service['metadata']['name']} does not have a service port {word}")
    if word.isdigit():
        return int(word)
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == word:
                return int(port["containerPort"])
    raise CommandError(f"Pod '{pod['metadata']['name']}' does not have a named port '{word}'")


async def _listen(session: Session, pod: Obj, host: str, *, local: int, port: int) -> asyncio.Server:
    path = PODS.path(pod["metadata"]["namespace"], pod["metadata"]["name"], "portforward")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session.say(f"Handling connection for {bound}")
        try:
            await streams.forward(session, path, port, (reader, writer))
        except (OSError, CommandError) as error:
            session.warn(f"error: an error occurred forwarding {bound} -> {port}: {error}")

    try:
        server = await asyncio.start_server(serve, host, local)
    except OSError as error:
        raise CommandError(f"unable to listen on port {local}: {error.strerror}") from error
    bound = server.sockets[0].getsockname()[1]
    session.say(f"Forwarding from {host}:{bound} -> {port}")
    return server


COMMAND = Command(help="Forward one or more local ports to a pod", run=run, arguments=arguments)
