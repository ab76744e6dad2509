"""`kubectl set image|env|resources|selector|serviceaccount`: change pod templates and services."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_selectors, suffix
from kubectl.errors import CommandError
from kubectl.metadata import split
from kubectl.resolve import objects
from kubectl.session import Session
from pocketkube.client.resources import SERVICES

Obj = dict[str, Any]


def _shared(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE NAME CHANGE")
    add_files(parser)
    add_output(parser)
    add_selectors(parser)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-c", "--containers", default="*")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    parser.add_argument("--field-manager", default="kubectl-set")


def template_path(obj: Obj) -> tuple[str, ...]:
    """Where an object's pod spec lives."""
    if obj["kind"] == "Pod":
        return ("spec",)
    if obj["kind"] == "CronJob":
        return ("spec", "jobTemplate", "spec", "template", "spec")
    return ("spec", "template", "spec")


def _pod_spec(obj: Obj) -> Obj:
    found = obj
    for name in template_path(obj):
        found = found.get(name) or {}
    return found


def _nested(path: tuple[str, ...], value: Obj) -> Obj:
    for name in reversed(path):
        value = {name: value}
    return value


async def _change(
    session: Session, args: argparse.Namespace, names: list[str], make: Callable[[Obj], Obj], word: str
) -> int:
    """`make` gives the change to a pod spec, {} for none."""
    for target, obj in await objects(session, names, args):
        change = make(_pod_spec(obj))
        if not change:
            continue
        after = obj
        if args.dry_run != "client":
            params = {"fieldManager": args.field_manager, **({"dryRun": "All"} if args.dry_run == "server" else {})}
            after = await session.client.patch(
                target.resource, target.name, _nested(template_path(obj), change),
                namespace=target.namespace, type="strategic", **params,
            )  # fmt: skip
        if args.output:
            session.out.write(printers.printer(args.output)(after))
        elif (
            after["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion") or args.dry_run != "none"
        ):
            session.say(f"{target.label} {word} updated{suffix(args)}")
    return 0


async def _image(session: Session, args: argparse.Namespace) -> int:
    names, images = split(args.words)
    if not images:
        raise CommandError("at least one image update is required")

    def make(spec: Obj) -> Obj:
        out: Obj = {}
        known: set[str] = set()
        for member in ("initContainers", "containers"):
            for container in spec.get(member) or ():
                known.add(container["name"])
                image = images.get(container["name"]) or images.get("*")
                if image:
                    out.setdefault(member, []).append({"name": container["name"], "image": image})
        missing = [n for n in images if n != "*" and n not in known]
        if missing:
            raise CommandError(f'unable to find container named "{missing[0]}"')
        return out

    return await _change(session, args, names, make, "image")


def _wanted(args: argparse.Namespace, container: Obj) -> bool:
    import fnmatch

    return fnmatch.fnmatch(container["name"], args.containers)


async def _env(session: Session, args: argparse.Namespace) -> int:
    names, changes = split(args.words)
    for text in args.env:
        key, _, value = text.partition("=")
        changes[key] = value
    if args.list:
        for target, obj in await objects(session, names, args):
            for container in _pod_spec(obj).get("containers") or ():
                session.say(f"# {obj['kind']} {target.name}, container {container['name']}")
                for entry in container.get("env") or ():
                    session.say(f"{entry['name']}={entry.get('value', '')}")
        return 0

    def make(spec: Obj) -> Obj:
        rows: list[Obj] = []
        for container in spec.get("containers") or ():
            if _wanted(args, container):
                entries: list[Obj] = [
                    {"name": k, "$patch": "delete"} if v is None else {"name": k, "value": v, "valueFrom": None}
                    for k, v in changes.items()
                ]
                rows.append({"name": container["name"], "env": entries})
        return {"containers": rows} if changes else {}

    return await _change(session, args, names, make, "env")


def _env_arguments(parser: Parser) -> None:
    _shared(parser)
    parser.add_argument("-e", "--env", action="append", default=[])
    parser.add_argument("--list", action="store_true")


def _resources_arguments(parser: Parser) -> None:
    _shared(parser)
    parser.add_argument("--limits", default="")
    parser.add_argument("--requests", default="")


async def _resources(session: Session, args: argparse.Namespace) -> int:
    parts = {
        k: dict(p.split("=", 1) for p in v.split(","))
        for k, v in (("limits", args.limits), ("requests", args.requests))
        if v
    }
    if not parts:
        raise CommandError("you must specify an update to requests or limits (in the form of --requests/--limits)")

    def make(spec: Obj) -> Obj:
        return {
            "containers": [
                {"name": c["name"], "resources": parts} for c in spec.get("containers") or () if _wanted(args, c)
            ]
        }

    return await _change(session, args, args.words, make, "resource requirements")


async def _service_account(session: Session, args: argparse.Namespace) -> int:
    *names, account = args.words
    return await _change(session, args, names, lambda spec: {"serviceAccountName": account}, "serviceaccount")


async def _selector(session: Session, args: argparse.Namespace) -> int:
    *names, text = args.words
    wanted = dict(part.partition("=")[::2] for part in text.split(","))
    for target, obj in await objects(session, names, args):
        if target.resource != SERVICES:
            raise CommandError(f"setting a selector is only supported for Services, not for a {obj['kind']}")
        if args.dry_run != "client":
            params = {"fieldManager": args.field_manager, **({"dryRun": "All"} if args.dry_run == "server" else {})}
            old = dict.fromkeys((obj["spec"].get("selector") or {}).keys() - wanted.keys())
            await session.client.patch(
                target.resource, target.name, {"spec": {"selector": {**old, **wanted}}},
                namespace=target.namespace, type="merge", **params,
            )  # fmt: skip
        session.say(f"{target.label} selector updated{suffix(args)}")
    return 0


def _subject_arguments(parser: Parser) -> None:
    _shared(parser)
    for name in ("user", "group", "serviceaccount"):
        parser.add_argument(f"--{name}", dest=f"subject_{name}", action="append", default=[])


def _subjects(args: argparse.Namespace) -> list[Obj]:
    """Raises CommandError where none is named or a service account is not NAMESPACE:NAME."""
    group = "rbac.authorization.k8s.io"
    found: list[Obj] = [{"kind": "User", "apiGroup": group, "name": name} for name in args.subject_user]
    found += [{"kind": "Group", "apiGroup": group, "name": name} for name in args.subject_group]
    for text in args.subject_serviceaccount:
        namespace, sign, name = text.partition(":")
        if not sign or not namespace or not name or ":" in name:
            raise CommandError("serviceaccount must be <namespace>:<name>")
        found.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    if not found:
        raise CommandError("you must specify at least one value of user, group or serviceaccount")
    return found


async def _subject(session: Session, args: argparse.Namespace) -> int:
    wanted = _subjects(args)
    for target, obj in await objects(session, args.words, args):
        if target.resource.kind not in ("RoleBinding", "ClusterRoleBinding"):
            raise CommandError("setting subjects is only supported for RoleBinding/ClusterRoleBinding")
        have = obj.get("subjects") or []
        more = [s for s in wanted if s not in have]
        after = {**obj, "subjects": [*have, *more]}
        if more and args.dry_run != "client":
            params = {"fieldManager": args.field_manager, **({"dryRun": "All"} if args.dry_run == "server" else {})}
            after = await session.client.patch(
                target.resource,
                target.name,
                {"subjects": after["subjects"]},
                namespace=target.namespace,
                type="merge",
                **params,
            )
        if args.output:
            session.out.write(printers.printer(args.output)(after))
        elif more:
            session.say(f"{target.label} subjects updated{suffix(args)}")
    return 0


COMMAND = Command(
    help="Set specific features on objects",
    subcommands={
        "image": Command(help="update the image of a pod template", run=_image, arguments=_shared),
        "env": Command(help="update environment variables on a pod template", run=_env, arguments=_env_arguments),
        "resources": Command(
            help="update resource requests and limits", run=_resources, arguments=_resources_arguments
        ),
        "selector": Command(help="set the selector of a service", run=_selector, arguments=_shared),
        "subject": Command(
            help="update the users, groups or service accounts of a binding", run=_subject, arguments=_subject_arguments
        ),
        "serviceaccount": Command(
            help="update the service account", run=_service_account, arguments=_shared, aliases=("sa",)
        ),
    },
)
