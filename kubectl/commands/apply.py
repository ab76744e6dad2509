"""`kubectl apply`: make the server hold what the manifests say. By three-way merge, or with --server-side by the server."""

from __future__ import annotations

import argparse
from typing import Any

import orjson

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_selectors, add_write, suffix, write_params
from kubectl.lastapplied import COMMANDS
from kubectl.merge import LAST_APPLIED, last_applied, three_way
from kubectl.pruning import check, prune
from kubectl.resolve import Target, each, targets
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    add_files(parser)
    add_output(parser)
    add_selectors(parser)
    add_write(parser, manager="")
    parser.add_argument("--server-side", nargs="?", const="true", default="false")
    parser.add_argument("--force-conflicts", action="store_true")
    parser.add_argument("--force", action="store_true", help="delete and create again what cannot be changed in place")
    parser.add_argument("--prune", action="store_true", help="delete what was applied before and is not said any more")
    parser.add_argument("--all", action="store_true", help="with --prune: whatever its labels")
    parser.add_argument("--prune-allowlist", action="append", default=[], metavar="GROUP/VERSION/KIND")
    parser.add_argument("--overwrite", nargs="?", const="true", default="true", help=argparse.SUPPRESS)


async def run(session: Session, args: argparse.Namespace) -> int:
    check(args)
    server_side = args.server_side == "true"
    args.field_manager = args.field_manager or ("kubectl" if server_side else "kubectl-client-side-apply")
    results: list[Obj] = []

    async def one(target: Target) -> None:
        result, word = await (_server_side if server_side else _client_side)(session, args, target)
        results.append(result)
        if args.output == "name":
            session.say(target.label)
        elif not args.output:
            session.say(f"{target.label} {word}{suffix(args)}")

    found = await targets(session, [], args)
    code = await each(session, found, one, doing="creating")
    if args.prune and not code:
        await prune(session, args, {(t.resource.group, t.resource.kind, t.namespace, t.name) for t in found})
    if args.output not in ("", "name") and results:
        show = printers.printer(args.output, managed_fields=args.show_managed_fields)
        shown = (
            results[0] if len(results) == 1 else {"apiVersion": "v1", "kind": "List", "items": results, "metadata": {}}
        )
        session.out.write(show(shown))
    return code


async def _server_side(session: Session, args: argparse.Namespace, target: Target) -> tuple[Obj, str]:
    assert target.manifest is not None
    params = write_params(args)
    if args.force_conflicts:
        params["force"] = "true"
    result = await session.client.patch(
        target.resource, target.name, orjson.dumps(target.manifest), namespace=target.namespace, type="apply", **params
    )
    return result, "serverside-applied"


async def _client_side(session: Session, args: argparse.Namespace, target: Target) -> tuple[Obj, str]:
    manifest = target.manifest
    assert manifest is not None
    params = write_params(args)
    annotations = manifest["metadata"].setdefault("annotations", {}) or {}
    annotations.pop(LAST_APPLIED, None)
    manifest["metadata"]["annotations"] = annotations
    said = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    wanted = {**manifest, "metadata": {**manifest["metadata"], "annotations": {**annotations, LAST_APPLIED: said}}}
    try:
        live = await session.client.get(target.resource, target.name, target.namespace)
    except NotFound:
        if args.dry_run == "client":
            return wanted, "created"
        return await session.client.create(target.resource, wanted, target.namespace, **params), "created"
    before = last_applied(live)
    if before is None:
        session.warn(
            f"Warning: resource {target.resource.plural}/{target.name} is missing the {LAST_APPLIED} annotation which is "
            "required by kubectl apply. kubectl apply should only be used on resources created declaratively by either "
            "kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically."
        )
    patch, kind = three_way(target.resource, before=before or {}, wanted=wanted, live=live)
    if not patch:
        return live, "unchanged"
    if args.dry_run == "client":
        return live, "configured"
    result = await session.client.patch(
        target.resource, target.name, patch, namespace=target.namespace, type=kind, **params
    )
    if args.dry_run == "server":  # nothing is stored: only the patch says that something would be
        return result, "configured"
    same = result["metadata"].get("resourceVersion") == live["metadata"].get("resourceVersion")
    return result, "unchanged" if same else "configured"


COMMAND = Command(
    help="Apply a configuration to a resource by file name or stdin", run=run, arguments=arguments, subcommands=COMMANDS
)
