"""`kubectl certificate approve|deny NAME`: decide about requests for certificates."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

from kubectl.command import Command, Parser, add_files
from kubectl.errors import CommandError
from kubectl.resolve import objects
from kubectl.session import Session
from pocketkube.api.meta import times

Obj = dict[str, Any]

OPPOSITE = {"Approved": "Denied", "Denied": "Approved"}


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="NAME")
    add_files(parser)
    parser.add_argument("--force", action="store_true", help="decide again what is decided")


def decided(request: Obj, kind: str, *, force: bool, now: str) -> Obj | None:
    """The request with a condition of that kind; None if it has one. Raises CommandError where the opposite holds."""
    conditions: list[Obj] = (request.get("status") or {}).get("conditions") or []
    held = {condition["type"] for condition in conditions}
    if OPPOSITE[kind] in held:
        name = request["metadata"]["name"]
        raise CommandError(f'certificate signing request "{name}" is already {OPPOSITE[kind]}')
    if kind in held and not force:
        return None
    verb = "approve" if kind == "Approved" else "deny"
    condition = {
        "type": kind,
        "status": "True",
        "reason": f"Kubectl{verb.capitalize()}",
        "message": f"This CSR was {kind.lower()} by kubectl certificate {verb}.",
        "lastUpdateTime": now,
    }
    kept = [c for c in conditions if c["type"] != kind]
    return {**request, "status": {**(request.get("status") or {}), "conditions": [*kept, condition]}}


def _decide(kind: str) -> Callable[[Session, argparse.Namespace], Awaitable[int]]:
    async def run(session: Session, args: argparse.Namespace) -> int:
        if not args.words and not args.filename:
            raise CommandError("one or more CSRs must be specified as <name> or -f <filename>")
        for target, request in await objects(session, ["certificatesigningrequests", *args.words], args):
            after = decided(request, kind, force=args.force, now=times.now_rfc3339())
            if after is not None:
                await session.client.update(target.resource, after, subresource="approval")
            session.say(f"{target.label} {kind.lower()}")
        return 0

    return run


COMMAND = Command(
    help="Modify certificate resources",
    subcommands={
        "approve": Command(help="Approve a certificate signing request", run=_decide("Approved"), arguments=arguments),
        "deny": Command(help="Deny a certificate signing request", run=_decide("Denied"), arguments=arguments),
    },
)
