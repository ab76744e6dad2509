"""`kubectl kustomize [FOLDER]`: the objects of a kustomization, as YAML."""

from __future__ import annotations

import argparse
from pathlib import Path

from kubectl import kustomizing, printers
from kubectl.command import Command, Parser
from kubectl.session import Session


def arguments(parser: Parser) -> None:
    parser.add_argument("folder", nargs="?", default=".")
    parser.add_argument("-o", "--output", default="", help="a file, or a folder that gets a file for each object")


async def run(session: Session, args: argparse.Namespace) -> int:
    folder = Path(args.folder)
    objects = kustomizing.build(folder, session.warn)
    if args.output and Path(args.output).is_dir():
        for obj in objects:
            name = f"{obj['apiVersion'].replace('/', '_')}_{obj['kind']}_{obj['metadata'].get('name', '')}.yaml".lower()
            Path(args.output, name).write_text(printers.to_yaml(obj))
        return 0
    text = "---\n".join(printers.to_yaml(obj) for obj in objects)
    if args.output:
        Path(args.output).write_text(text)
    else:
        session.out.write(text)
    return 0


COMMAND = Command(help="Build a kustomization target from a directory", run=run, arguments=arguments, offline=True)
