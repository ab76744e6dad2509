"""`kubectl edit TYPE NAME`: the object in your editor; what you save is sent as a patch."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output
from kubectl.errors import CommandError, sentence
from kubectl.merge import three_way
from kubectl.resolve import Target, objects
from kubectl.session import Session
from pocketkube.api.meta.errors import BadRequest, Invalid, StatusError

Obj = dict[str, Any]

HEAD = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
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
        text = _in_editor(text)
        if _stripped(text) in ("", _stripped(original)):
            session.warn("Edit cancelled, no changes made.")
            return
        try:
            edited = yaml.safe_load(text)
            patch, kind = three_way(target.resource, before=shown, wanted=edited, live=obj)
            params = {"fieldManager": args.field_manager}
            await session.client.patch(
                target.resource, target.name, patch, namespace=target.namespace, type=kind, subresource=args.subresource, **params
            )  # fmt: skip
        except (yaml.YAMLError, Invalid, BadRequest) as error:
            words = sentence(error) if isinstance(error, StatusError) else str(error)
            text = HEAD + "".join(f"# {line}\n" for line in words.splitlines()) + "#\n" + _stripped(text)
            continue
        session.say(f"{target.label} edited")
        return
    raise CommandError("the edited object was refused too often")


def _stripped(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _in_editor(text: str) -> str:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "edit.yaml")
        path.write_text(text)
        done = subprocess.run([*shlex.split(editor), str(path)])
        if done.returncode:
            raise CommandError(f'there was a problem with the editor "{editor}"')
        return path.read_text()


COMMAND = Command(help="Edit a resource on the server", run=run, arguments=arguments)
