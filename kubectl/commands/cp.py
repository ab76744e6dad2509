"""`kubectl cp SOURCE TARGET`: files to and from a container, as a tar through exec."""

from __future__ import annotations

import argparse
import io
import posixpath
import sys
import tarfile
from pathlib import Path

from kubectl import streams
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.pods import container_of, running_pod
from kubectl.session import Session
from pocketkube.client.resources import PODS


def arguments(parser: Parser) -> None:
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("target", metavar="TARGET")
    parser.add_argument("-c", "--container", default="")
    parser.add_argument("--no-preserve", action="store_true")
    parser.add_argument("--retries", type=int, default=0, help=argparse.SUPPRESS)


def _place(word: str) -> tuple[str, str]:
    """(pod or "", path)."""
    pod, colon, path = word.partition(":")
    return (
        (pod, path) if colon and "/" not in pod.rpartition("/")[2] and not word.startswith((".", "/")) else ("", word)
    )


async def run(session: Session, args: argparse.Namespace) -> int:
    source, target = _place(args.source), _place(args.target)
    if bool(source[0]) == bool(target[0]):
        raise CommandError("one of src or dest must be a local file specification")
    if target[0]:
        return await _upload(session, args, Path(source[1]), *target)
    return await _download(session, args, *source, Path(target[1]))


async def _open(
    session: Session, args: argparse.Namespace, pod_name: str, command: list[str], *, stdin: bool
) -> streams.Stream:
    namespace, slash, name = pod_name.partition("/")
    if slash:
        session.args.namespace = namespace
    pod = await running_pod(session, name if slash else pod_name)
    container = container_of(session, pod, args.container)
    path = PODS.path(pod["metadata"]["namespace"], pod["metadata"]["name"], "exec")
    params = {"command": command, "container": container, "stdin": stdin, "stdout": True, "stderr": True}
    return await streams.open_stream(session, path, params, ["v5.channel.k8s.io", "v4.channel.k8s.io"])


async def _upload(session: Session, args: argparse.Namespace, source: Path, pod: str, path: str) -> int:
    if not source.exists():
        raise CommandError(f"{source} doesn't exist in local filesystem")
    folder, name = posixpath.split(path.rstrip("/"))
    if path.endswith("/"):
        folder, name = path, source.name
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(source, arcname=name or source.name)
    stream = await _open(session, args, pod, ["tar", "-xmf", "-", "-C", folder or "."], stdin=True)
    data = buffer.getvalue()
    for at in range(0, len(data), streams.CHUNK):
        await stream.send(bytes([streams.STDIN]) + data[at : at + streams.CHUNK])
    if stream.protocol.startswith("v5"):
        await stream.send(bytes([streams.CLOSE, streams.STDIN]))
    try:
        return await streams.receive(stream, sys.stdout.buffer, sys.stderr.buffer)
    finally:
        await stream.close()


async def _download(session: Session, args: argparse.Namespace, pod: str, path: str, target: Path) -> int:
    stream = await _open(session, args, pod, ["tar", "cf", "-", path], stdin=False)
    buffer = io.BytesIO()
    try:
        code = await streams.receive(stream, buffer, sys.stderr.buffer)
    finally:
        await stream.close()
    if code:
        return code
    buffer.seek(0)
    base = posixpath.normpath(path).lstrip("/")
    with tarfile.open(fileobj=buffer) as tar:
        for member in tar.getmembers():
            inside = posixpath.relpath(member.name.lstrip("/"), base)
            if inside.startswith(".."):
                session.warn(f"warning: file {member.name!r} is outside target destination, skipping")
                continue
            place = target if inside == "." else target / inside
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                place.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(member)
                place.write_bytes(content.read() if content else b"")
                place.chmod(member.mode & 0o777)
    return 0


COMMAND = Command(help="Copy files and directories to and from containers", run=run, arguments=arguments)
