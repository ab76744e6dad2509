"""`kubectl create -f FILE`, and `kubectl create configmap|deployment|job|...` from words."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import generators, printers
from kubectl.command import Command, Parser, add_files, add_output, add_write, suffix, write_params
from kubectl.errors import CommandError
from kubectl.generators.generator import Generator
from kubectl.resolve import Target, each, of_manifest, targets
from kubectl.session import Session

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    add_files(parser)
    add_output(parser)
    add_write(parser, manager="kubectl-create")
    parser.add_argument("--save-config", action="store_true")
    parser.add_argument("--raw", default="", help=argparse.SUPPRESS)


async def run(session: Session, args: argparse.Namespace) -> int:
    if not args.filename and not args.kustomize:
        raise CommandError("must specify one of -f and -k")

    async def one(target: Target) -> None:
        assert target.manifest
        await create(session, args, target.manifest)

    return await each(session, await targets(session, [], args), one, doing="creating")


async def create(session: Session, args: argparse.Namespace, manifest: Obj) -> None:
    """Send one object and say what became of it, in the form that was asked for."""
    if args.dry_run in ("client", "unchanged"):
        found: Obj = manifest
        label = f"{manifest['kind'].lower()}/{manifest['metadata'].get('name', '')}"
        if not args.output:
            label = (await of_manifest(session, manifest)).label
    else:
        target = await of_manifest(session, manifest)
        found = await session.client.create(target.resource, manifest, target.namespace, **write_params(args))
        label = f"{target.label.rpartition('/')[0]}/{found['metadata']['name']}"
    if args.output:
        session.out.write(printers.printer(args.output, managed_fields=args.show_managed_fields)(found))
    else:
        session.say(f"{label} created{suffix(args)}")


async def _generated(session: Session, args: argparse.Namespace) -> int:
    manifest = await args.generate(session, args)
    if manifest is not None:
        await create(session, args, manifest)
    return 0


def _sub(name: str, generator: Generator) -> Command:
    def flags(parser: Parser) -> None:
        generator.arguments(parser)
        add_output(parser)
        add_write(parser, manager="kubectl-create")
        parser.set_defaults(generate=generator.make)

    return Command(help=generator.help, run=_generated, arguments=flags, aliases=generator.aliases)


COMMAND = Command(
    help="Create a resource from a file, stdin, or words",
    run=run,
    arguments=arguments,
    subcommands={name: _sub(name, generator) for name, generator in generators.ALL.items()},
)
