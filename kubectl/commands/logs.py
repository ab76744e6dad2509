"""`kubectl logs [-f] POD | TYPE/NAME | -l SELECTOR`."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.pods import container_of, pods_of
from kubectl.session import Session
from kubectl.waiting import duration
from pocketkube.client.resources import PODS

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="POD [CONTAINER]")
    parser.add_argument("-c", "--container", default="")
    parser.add_argument("-f", "--follow", action="store_true")
    parser.add_argument("-p", "--previous", action="store_true")
    parser.add_argument("-l", "--selector", default="")
    parser.add_argument("--tail", type=int, default=None, dest="tail_lines")
    parser.add_argument("--since", default="")
    parser.add_argument("--since-time", default="")
    parser.add_argument("--timestamps", action="store_true")
    parser.add_argument("--limit-bytes", type=int, default=0)
    parser.add_argument("--all-containers", action="store_true")
    parser.add_argument("--prefix", action="store_true")
    parser.add_argument("--max-log-requests", type=int, default=5)
    parser.add_argument("--ignore-errors", action="store_true")


async def run(session: Session, args: argparse.Namespace) -> int:
    if args.selector:
        pods = await session.client.items(PODS, session.namespace, labelSelector=args.selector)
    elif args.words:
        pods = (await pods_of(session, args.words[0]))[:1]
    else:
        raise CommandError("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'")
    wanted = args.container or (args.words[1] if len(args.words) > 1 else "")
    streams = [(pod, name) for pod in pods for name in _containers(session, args, pod, wanted)]
    if args.follow and len(streams) > args.max_log_requests:
        raise CommandError(
            f"you are attempting to follow {len(streams)} log streams, but maximum allowed concurrency is "
            f"{args.max_log_requests}, use --max-log-requests to increase the limit"
        )
    jobs = [_stream(session, args, pod, name) for pod, name in streams]
    if args.follow:
        await asyncio.gather(*jobs)
    else:
        for job in jobs:
            await job
    return 0


def _containers(session: Session, args: argparse.Namespace, pod: Obj, wanted: str) -> list[str]:
    if args.all_containers:
        return [
            c["name"] for m in ("initContainers", "containers", "ephemeralContainers") for c in pod["spec"].get(m) or ()
        ]
    return [container_of(session, pod, wanted)]


async def _stream(session: Session, args: argparse.Namespace, pod: Obj, container: str) -> None:
    meta = pod["metadata"]
    tail = args.tail_lines if args.tail_lines is not None else (10 if args.selector else None)
    params: dict[str, Any] = {
        "container": container, "follow": args.follow or None, "previous": args.previous or None,
        "timestamps": args.timestamps or None, "tailLines": tail if tail is None or tail >= 0 else None,
        "sinceSeconds": int(duration(args.since)) if args.since else None, "sinceTime": args.since_time,
        "limitBytes": args.limit_bytes or None,
    }  # fmt: skip
    prefix = f"[pod/{meta['name']}/{container}] " if args.prefix else ""
    path = PODS.path(meta["namespace"], meta["name"], "log")
    rest = b""
    async with session.client.stream("GET", path, params=params) as response:
        async for chunk in response.aiter_raw():
            if not prefix:
                session.out.write(chunk.decode(errors="replace"))
            else:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    session.out.write(prefix + line.decode(errors="replace") + "\n")
            session.out.flush()
    if rest:
        session.out.write(prefix + rest.decode(errors="replace"))


COMMAND = Command(help="Print the logs for a container in a pod", run=run, arguments=arguments, aliases=("log",))
