"""`kubectl get`: tables that the server made, or objects in another form; once, or as they change."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import orjson

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_selectors
from kubectl.errors import CommandError
from kubectl.resolve import Target, selectors, targets
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound
from pocketkube.client import rest

Obj = dict[str, Any]

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE [NAME]")
    add_output(parser, table=True)
    add_selectors(parser)
    add_files(parser)
    parser.add_argument("-w", "--watch", action="store_true")
    parser.add_argument("--watch-only", action="store_true")
    parser.add_argument("--raw", default="", metavar="PATH", help="print what the server answers at a path")
    parser.add_argument("--ignore-not-found", action="store_true")
    parser.add_argument("--chunk-size", type=int, default=500)
    parser.add_argument("--subresource", default="")
    parser.add_argument("--show-kind", action="store_true")


async def run(session: Session, args: argparse.Namespace) -> int:
    if args.raw:
        session.out.write((await session.client.raw("GET", args.raw)).decode())
        return 0
    found = await targets(session, args.words, args)
    if args.output not in ("", "wide"):
        return await _objects(session, args, found)
    if args.watch or args.watch_only:
        return await _watch_table(session, args, found)
    return await _tables(session, args, found)


def _path(target: Target, args: argparse.Namespace) -> str:
    return target.resource.path(target.namespace, target.name, args.subresource if target.name else "")


async def _tables(session: Session, args: argparse.Namespace, found: list[Target]) -> int:
    """One table a type; several named objects of one type share one."""
    groups: dict[str, list[Obj]] = {}
    named: dict[str, Target] = {}
    code = 0
    for target in found:
        try:
            table = await session.client.request(
                "GET", _path(target, args), params=_params(args, target), headers={"Accept": TABLE}
            )
        except NotFound as error:
            if args.ignore_not_found:
                continue
            if len(found) == 1:
                raise
            session.warn(f"Error from server (NotFound): {error.message}")
            code = 1
            continue
        groups.setdefault(target.resource.qualified, []).append(table)
        named[target.resource.qualified] = target
    several, printed = len({t.resource.qualified for t in found}) > 1, False
    for key, tables in groups.items():
        merged = {**tables[0], "rows": [row for t in tables for row in t.get("rows") or ()]}
        if not merged["rows"]:
            continue
        if several or args.show_kind:
            _prefix_names(merged, named[key])
        if printed:
            session.say()
        session.out.write(printers.align(_rows(merged, args, sort=args.sort_by)))
        printed = True
    if not printed and not code and not args.ignore_not_found:
        anywhere = args.all_namespaces or not found[0].resource.namespaced
        session.warn("No resources found" if anywhere else f"No resources found in {session.namespace} namespace.")
    return code


def _prefix_names(table: Obj, target: Target) -> None:
    group = f".{target.resource.group}" if target.resource.group else ""
    for row in table["rows"]:
        row["cells"][0] = f"{target.found.singular}{group}/{row['cells'][0]}"


def _rows(table: Obj, args: argparse.Namespace, *, headers: bool = True, sort: str = "") -> list[list[str]]:
    if sort:
        _sort(table["rows"], sort)
    return printers.table_rows(
        table, wide=args.output == "wide", headers=headers and not args.no_headers, namespace=args.all_namespaces,
        labels=[x for group in args.label_columns for x in group.split(",")], all_labels=args.show_labels,
    )  # fmt: skip


def _sort(rows: list[Obj], expression: str, *, whole: bool = False) -> None:
    from kubectl import jsonpath

    path = jsonpath.parse_path(jsonpath.relaxed(expression)[1:-1])

    def key(row: Obj) -> tuple[int, Any]:
        found = jsonpath.values(path, row if whole else row.get("object") or {})
        value = found[0] if found else None
        return (0, "") if value is None else (1, value) if isinstance(value, (int, float)) else (2, str(value))

    rows.sort(key=key)


def _params(args: argparse.Namespace, target: Target) -> dict[str, Any]:
    params: dict[str, Any] = {} if target.name else selectors(args)
    if args.sort_by:
        params["includeObject"] = "Object"
    return params


async def _objects(session: Session, args: argparse.Namespace, found: list[Target]) -> int:
    show = printers.printer(args.output, managed_fields=args.show_managed_fields)
    if args.watch or args.watch_only:
        return await _watch_objects(session, args, found[0], show)
    out: list[Obj] = []
    for target in found:
        try:
            if target.name:
                out.append(
                    await session.client.get(
                        target.resource, target.name, target.namespace, subresource=args.subresource
                    )
                )
            else:
                out += await session.client.items(
                    target.resource, target.namespace, limit=args.chunk_size or 500, **selectors(args)
                )
        except NotFound:
            if not args.ignore_not_found:
                raise
    if args.sort_by:
        _sort(out, args.sort_by, whole=True)
    single = len(found) == 1 and bool(found[0].name)
    if single:
        session.out.write(show(out[0]) if out else "")
    else:
        session.out.write(show({"apiVersion": "v1", "items": out, "kind": "List", "metadata": {"resourceVersion": ""}}))
    if args.output.startswith("jsonpath"):
        session.out.flush()
    return 0


def _watch_scope(target: Target, args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = selectors(args)
    if target.name:
        params["fieldSelector"] = f"metadata.name={target.name}"
    return target.resource.path(target.namespace), params


async def _watch_objects(session: Session, args: argparse.Namespace, target: Target, show: printers.Printer) -> int:
    path, params = _watch_scope(target, args)
    if args.watch_only:
        params["resourceVersion"] = (await session.client.request("GET", path, params={"limit": 1}))["metadata"][
            "resourceVersion"
        ]
    async for kind, obj in _events(session, path, params):
        if kind != "BOOKMARK":
            session.out.write(show(obj))
            session.out.flush()
    return 0


async def _watch_table(session: Session, args: argparse.Namespace, found: list[Target]) -> int:
    if len(found) != 1:
        raise CommandError("you may only specify a single resource type")
    path, params = _watch_scope(found[0], args)
    table = await session.client.request("GET", path, params=params, headers={"Accept": TABLE})
    if not args.watch_only and table.get("rows"):
        session.out.write(printers.align(_rows(table, args)))
        session.out.flush()
    headers = not (table.get("rows") and not args.watch_only)
    params["resourceVersion"] = table["metadata"]["resourceVersion"]
    async for kind, event in _events(session, path, params, accept=TABLE):
        if kind == "BOOKMARK" or not event.get("rows"):
            continue
        definitions = event.get("columnDefinitions") or table.get("columnDefinitions")
        rows = _rows({**event, "columnDefinitions": definitions}, args, headers=headers)
        session.out.write(printers.align(rows))
        session.out.flush()
        headers = False
    return 0


async def _events(session: Session, path: str, params: dict[str, Any], *, accept: str = "application/json") -> Any:
    """Events until the server or the person ends it."""
    async with session.client.stream(
        "GET", path, params={"watch": "true", **params}, headers={"Accept": accept}
    ) as response:
        async for line in rest.lines(response):
            event = orjson.loads(line)
            if event["type"] == "ERROR":
                raise CommandError(event["object"].get("message", "the watch failed"))
            yield event["type"], event["object"]
            await asyncio.sleep(0)


COMMAND = Command(help="Display one or many resources", run=run, arguments=arguments)
