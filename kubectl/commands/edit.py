"""`kubectl edit TYPE NAME`: the object in your editor; what you save is sent as a patch."""

from __future__ import annotations

import argparse
from typing import Any

import yaml

from kubectl import manifests, printers
from kubectl.command import Command, Parser, add_files, add_output
from kubectl.editing import HEAD, in_editor, stripped
from kubectl.errors import CommandError, sentence
from kubectl.merge import three_way
from kubectl.resolve import Target, objects
from kubectl.session import Session
from pocketkube.api.meta.errors import BadRequest, Invalid, StatusError

Obj = dict[str, Any]

ATTEMPTS = 10


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE NAME")
    add_files(parser)
    add_output(parser)
    parser.add_argument("--subresource", default="")
    parser.add_argument("--field-manager", default="kubectl-edit")


async def run(session: Session, args: argparse.Namespace) -> int:
    for target, obj in await objects(session, args.words, args):
        await _edit(session, args, target, obj)
    return 0


async def _edit(session: Session, args: argparse.Namespace, target: Target, obj: Obj) -> None:
    shown = printers.without_managed_fields(obj)
    original = text = HEAD + printers.to_yaml(shown)
    for _ in range(ATTEMPTS):
        text = in_editor(text)
        if stripped(text) in ("", stripped(original)):
            session.warn("Edit cancelled, no changes made.")
            return
        try:
            said = yaml.load(text, manifests.Loader)
            patch, kind = three_way(target.resource, before=shown, wanted=said, live=obj)
            params = {"fieldManager": args.field_manager}
            await session.client.patch(
                target.resource, target.name, patch, namespace=target.namespace, type=kind, subresource=args.subresource, **params
            )  # fmt: skip
        except (yaml.YAMLError, Invalid, BadRequest) as error:
            words = sentence(error) if isinstance(error, StatusError) else str(error)
            text = HEAD + "".join(f"# {line}\n" for line in words.splitlines()) + "#\n" + stripped(text)
            continue
        session.say(f"{target.label} edited")
        return
    raise CommandError("the edited object was refused too often")


COMMAND = Command(help="Edit a resource on the server", run=run, arguments=arguments)
