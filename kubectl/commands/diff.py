"""`kubectl diff`: what apply would change, by the server's dry run. Exit code 1 if anything."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import orjson

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_selectors
from kubectl.resolve import targets
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    add_files(parser)
    add_selectors(parser)
    parser.add_argument("--server-side", nargs="?", const="true", default="false")
    parser.add_argument("--force-conflicts", action="store_true")
    parser.add_argument("--field-manager", default="kubectl-client-side-apply")
    parser.add_argument("--show-managed-fields", action="store_true")


async def run(session: Session, args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        live, merged = Path(folder, "LIVE"), Path(folder, "MERGED")
        live.mkdir()
        merged.mkdir()
        for target in await targets(session, [], args):
            r = target.resource
            name = f"{r.api_version.replace('/', '.')}.{r.kind}.{target.namespace}.{target.name}"
            after = await session.client.patch(
                r, target.name, orjson.dumps(target.manifest), namespace=target.namespace, type="apply",
                fieldManager=args.field_manager, force="true", dryRun="All",
            )  # fmt: skip
            try:
                before: Obj | None = await session.client.get(r, target.name, target.namespace)
            except NotFound:
                before = None
            for path, obj in ((live, before), (merged, after)):
                (path / name).write_text(printers.to_yaml(printers.without_managed_fields(obj)) if obj else "")
        program = os.environ.get("KUBECTL_EXTERNAL_DIFF", "diff -u -N")
        done = subprocess.run([*program.split(), str(live), str(merged)], capture_output=True, text=True)
    session.out.write(done.stdout)
    return done.returncode


COMMAND = Command(help="Diff the live version against a would-be applied version", run=run, arguments=arguments)
