"""`auth reconcile`: roles get the rules and bindings the subjects that files say and they lack; nobody loses any, unless asked to."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, suffix
from kubectl.errors import CommandError
from kubectl.resolve import Target, targets
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound

Obj = dict[str, Any]

ROLES, BINDINGS = ("Role", "ClusterRole"), ("RoleBinding", "ClusterRoleBinding")
GROUP = "rbac.authorization.k8s.io"


def _arguments(parser: Parser) -> None:
    add_files(parser)
    add_output(parser)
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    parser.add_argument("--remove-extra-permissions", action="store_true")
    parser.add_argument("--remove-extra-subjects", action="store_true")


async def _reconcile(session: Session, args: argparse.Namespace) -> int:
    for target in await targets(session, [], args):
        if target.resource.group != GROUP or target.resource.version != "v1":
            raise CommandError(
                f"only rbac.authorization.k8s.io/v1 is supported: not {target.resource.api_version} {target.resource.kind}"
            )
        after, done = await _one(session, args, target)
        if args.output:
            session.out.write(printers.printer(args.output)(after))
            continue
        session.say(f"{target.label} reconciled{suffix(args)}")
        for line in done:
            session.warn(f"\t{line}")
    return 0


async def _one(session: Session, args: argparse.Namespace, target: Target) -> tuple[Obj, list[str]]:
    """The object as it is now, and what was done, in lines."""
    wanted = target.manifest
    assert wanted is not None
    params: dict[str, Any] = {"dryRun": "All"} if args.dry_run == "server" else {}
    member = "rules" if target.resource.kind in ROLES else "subjects"
    try:
        live = await session.client.get(target.resource, target.name, target.namespace)
    except NotFound:
        after = wanted
        if args.dry_run != "client":
            after = await session.client.create(target.resource, wanted, target.namespace, **params)
        return after, ["reconciliation required create", f"missing {member} added:", *_shown(wanted.get(member))]
    if member == "subjects" and live.get("roleRef") != wanted.get("roleRef"):
        return await _anew(session, args, target, wanted, params)
    remove = args.remove_extra_permissions if member == "rules" else args.remove_extra_subjects
    missing = [x for x in wanted.get(member) or () if not _covered(x, live.get(member) or [])]
    extra = [x for x in live.get(member) or () if not _covered(x, wanted.get(member) or [])] if remove else []
    changed = _metadata(live, wanted)
    if not (missing or extra or changed):
        return live, []
    kept = [x for x in live.get(member) or () if x not in extra]
    after = {**live, **changed, member: [*kept, *missing]}
    if args.dry_run != "client":
        after = await session.client.update(target.resource, after, **params)
    lines = ["reconciliation required update"]
    lines += [f"missing {member} added:", *_shown(missing)] if missing else []
    lines += [f"extra {member} removed:", *_shown(extra)] if extra else []
    return after, lines


async def _anew(
    session: Session, args: argparse.Namespace, target: Target, wanted: Obj, params: dict[str, Any]
) -> tuple[Obj, list[str]]:
    """A binding's role cannot be changed: it goes, and comes back with the other role."""
    after = wanted
    if args.dry_run != "client":
        await session.client.delete(target.resource, target.name, target.namespace, **params)
        if not params:
            after = await session.client.create(target.resource, wanted, target.namespace)
    return after, ["reconciliation required recreate", "missing subjects added:", *_shown(wanted.get("subjects"))]


def _metadata(live: Obj, wanted: Obj) -> Obj:
    """Labels and annotations that are missing or said differently, within a new `metadata`; {} for none."""
    meta = dict(live["metadata"])
    for member in ("labels", "annotations"):
        meta_wanted = (wanted.get("metadata") or {}).get(member) or {}
        if meta_wanted:
            meta[member] = {**(meta.get(member) or {}), **meta_wanted}
    return {} if meta == live["metadata"] else {"metadata": meta}


def _covered(item: Obj, others: list[Obj]) -> bool:
    """A subject is there or not; a rule is covered when each of its parts is within some other rule."""
    if "verbs" not in item:
        return item in others
    return all(any(_within(part, other) for other in others) for part in _parts(item))


def _parts(rule: Obj) -> list[Obj]:
    """One verb on one resource of one group, or on one URL."""
    parts: list[Obj] = []
    for verb in rule["verbs"]:
        parts += [{"verbs": [verb], "nonResourceURLs": [url]} for url in rule.get("nonResourceURLs") or ()]
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or [None]:
                    part: Obj = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                    parts.append(part | ({"resourceNames": [name]} if name else {}))
    return parts


def _within(part: Obj, other: Obj) -> bool:
    if other.get("resourceNames") and not part.get("resourceNames"):
        return False
    for member in ("verbs", "apiGroups", "resources", "nonResourceURLs", "resourceNames"):
        have = other.get(member) or []
        named = member != "resourceNames" or have  # a rule that names nobody is for all
        if named and part.get(member) and not (set(part[member]) <= set(have) or "*" in have):
            return False
    return True


def _shown(items: list[Obj] | None) -> list[str]:
    return [
        "\t{" + " ".join(f"{k[:1].upper() + k[1:]}:{_text(v)}" for k, v in item.items()) + "}" for item in items or ()
    ]


def _text(value: Any) -> str:
    return f"[{' '.join(value)}]" if isinstance(value, list) else str(value)


COMMAND = Command(
    help="add the rules and subjects that files say to roles and bindings", run=_reconcile, arguments=_arguments
)
