"""`kubectl taint nodes NODE key=value:Effect key:Effect-`."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl.command import Command, Parser, suffix
from kubectl.errors import CommandError
from kubectl.resolve import objects
from kubectl.session import Session

Obj = dict[str, Any]

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="+", metavar="nodes NODE TAINT")
    parser.add_argument("-l", "--selector", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))


def parse(word: str) -> tuple[Obj, bool]:
    """(taint, whether it is to be removed). Raises CommandError."""
    text = word.removesuffix("-")
    front, colon, effect = text.partition(":")
    key, _, value = front.partition("=")
    removal = word.endswith("-")
    if not key or (colon and effect not in EFFECTS) or (not colon and not removal):
        raise CommandError(
            f"invalid taint spec: {word}, the form is key=value:effect, effect one of {', '.join(EFFECTS)}"
        )
    taint = {"key": key, **({"value": value} if value else {}), **({"effect": effect} if effect else {})}
    return taint, removal


def _is_taint(word: str) -> bool:
    return "=" in word or ":" in word or word.endswith("-")


def changed(taints: list[Obj], word: str, *, overwrite: bool, node: str) -> list[Obj]:
    taint, removal = parse(word)
    same = [t for t in taints if t["key"] == taint["key"] and taint.get("effect") in (None, t["effect"])]
    rest = [t for t in taints if t not in same]
    if removal:
        if not same:
            raise CommandError(f'taint "{word.removesuffix("-")}" not found')
        return rest
    if same and not overwrite:
        raise CommandError(
            f"node {node} already has {taint['key']} taint(s) with same effect(s) and --overwrite is false"
        )
    return [*rest, taint]


async def run(session: Session, args: argparse.Namespace) -> int:
    changes = [w for w in args.words[1:] if _is_taint(w)]
    names = [args.words[0], *(w for w in args.words[1:] if not _is_taint(w))]
    if not changes:
        raise CommandError("at least one taint update is required")
    for target, node in await objects(session, names, args):
        taints = node["spec"].get("taints") or []
        for word in changes:
            taints = changed(taints, word, overwrite=args.overwrite, node=target.name)
        if args.dry_run != "client":
            params = {"dryRun": "All"} if args.dry_run == "server" else {}
            await session.client.patch(
                target.resource, target.name, {"spec": {"taints": taints or None}}, type="merge", fieldManager="kubectl-taint", **params
            )  # fmt: skip
        word = "untainted" if all(w.endswith("-") for w in changes) else "tainted"
        session.say(f"node/{target.name} {word}{suffix(args)}")
    return 0


COMMAND = Command(help="Update the taints on one or more nodes", run=run, arguments=arguments)
