"""`kubectl plugin list`: the plugins on PATH, and which of them cannot be reached."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from kubectl import commands, plugins
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("--name-only", action="store_true")


async def _list(session: Session, args: argparse.Namespace) -> int:
    found = list(plugins.installed())
    if not found:
        raise CommandError("unable to find any kubectl plugins in your PATH")
    session.say("The following compatible plugins are available:\n")
    warnings = 0
    first: dict[str, Path] = {}
    for path in found:
        session.say(path.name if args.name_only else str(path))
        for warning in _warnings(path, first):
            session.warn(f"  - warning: {warning}")
            warnings += 1
    if warnings:
        raise CommandError(f"{warnings} plugin warning{'s were' if warnings > 1 else ' was'} found")
    return 0


def _warnings(path: Path, first: dict[str, Path]) -> list[str]:
    out = []
    name = path.name.removeprefix(plugins.PREFIX).split("-")[0]
    if commands.find(name) and path.name.count("-") == 1:
        out.append(f'{path.name} overwrites existing command: "kubectl {name}"')
    if not os.access(path, os.X_OK):
        out.append(f"{path} identified as a kubectl plugin, but it is not executable")
    if path.name in first:
        out.append(f"{path} is overshadowed by a similarly named plugin: {first[path.name]}")
    first.setdefault(path.name, path)
    return out


COMMAND = Command(
    help="Provides utilities for interacting with plugins",
    subcommands={"list": Command(help="list plugins on PATH", run=_list, arguments=_arguments, offline=True)},
    offline=True,
)
