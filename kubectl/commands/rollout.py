"""`kubectl rollout status|history|undo|restart|pause|resume`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kubectl.command import Command, Parser, add_files, add_selectors, suffix
from kubectl.describing import podspec
from kubectl.describing.writing import Page
from kubectl.errors import CommandError
from kubectl.resolve import Target, objects
from kubectl.session import Session
from kubectl.waiting import bounded, duration, states
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta import selectors, times
from pocketkube.client.resources import CONTROLLERREVISIONS, REPLICASETS

Obj = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def _shared(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE/NAME")
    add_files(parser)
    add_selectors(parser)


# --- status


def _status_arguments(parser: Parser) -> None:
    _shared(parser)
    parser.add_argument("-w", "--watch", nargs="?", const="true", default="true")
    parser.add_argument("--timeout", default="0s")
    parser.add_argument("--revision", type=int, default=0)


async def _status(session: Session, args: argparse.Namespace) -> int:
    for target, _ in await objects(session, args.words, args):
        seconds = duration(args.timeout) or -1
        await bounded(_rolled_out(session, args, target), seconds, target.label)
    return 0


async def _rolled_out(session: Session, args: argparse.Namespace, target: Target) -> None:
    said = ""
    async for obj in states(session, target):
        if obj is None:
            raise CommandError(f"{target.label} is gone")
        text, done = progress({**obj, "kind": target.resource.kind}, target.name)
        if text != said:
            session.say(text)
            said = text
        if done or args.watch == "false":
            return


def progress(obj: Obj, name: str) -> tuple[str, bool]:
    """What to say of a rollout, and whether it is over. Raises CommandError if it failed for good."""
    kind, spec, status = obj["kind"], obj["spec"], obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return f"Waiting for {kind.lower()} spec update to be observed...", False
    if kind == "Deployment":
        return _deployment(obj, name, spec, status)
    if kind == "DaemonSet":
        return _daemon_set(name, status)
    if kind == "StatefulSet":
        return _stateful_set(name, spec, status)
    raise CommandError(f"no status viewer has been implemented for {kind}")


def _deployment(obj: Obj, name: str, spec: Obj, status: Obj) -> tuple[str, bool]:
    progressing = metas.condition(obj, "Progressing")
    if progressing and progressing.get("reason") == "ProgressDeadlineExceeded":
        raise CommandError(f'deployment "{name}" exceeded its progress deadline')
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    head = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{head} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{head} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemon_set(name: str, status: Obj) -> tuple[str, bool]:
    wanted = status.get("desiredNumberScheduled", 0)
    head = f'Waiting for daemon set "{name}" rollout to finish:'
    if status.get("updatedNumberScheduled", 0) < wanted:
        return f"{head} {status.get('updatedNumberScheduled', 0)} out of {wanted} new pods have been updated...", False
    if status.get("numberAvailable", 0) < wanted:
        return f"{head} {status.get('numberAvailable', 0)} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(name: str, spec: Obj, status: Obj) -> tuple[str, bool]:
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition", 0)
    updated = status.get("updatedReplicas", 0)
    if partition and updated < wanted - partition:
        return (
            f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} new pods have been updated...",
            False,
        )
    if not partition and status.get("updateRevision") != status.get("currentRevision"):
        return (
            f"waiting for statefulset rolling update to complete {updated} pods at revision {status.get('updateRevision')}...",
            False,
        )
    return (
        f"statefulset rolling update complete {status.get('currentReplicas', wanted)} pods at revision {status.get('currentRevision')}...",
        True,
    )


# --- history and undo


async def _revisions(session: Session, obj: Obj, target: Target) -> dict[int, Obj]:
    """Every revision's object (a ReplicaSet or ControllerRevision) that belongs to this one."""
    resource = REPLICASETS if target.resource.kind == "Deployment" else CONTROLLERREVISIONS
    selector = selectors.format_label_selector(obj["spec"].get("selector"))
    found = await session.client.items(resource, target.namespace, labelSelector=selector)
    return {_number(o): o for o in found if metas.is_controlled_by(o, obj)}


def _number(revision: Obj) -> int:
    return int(revision.get("revision") or (revision["metadata"].get("annotations") or {}).get(REVISION, 0))


def _template(revision: Obj) -> Obj:
    found: Obj = revision["spec"]["template"] if "spec" in revision else revision["data"]["spec"]["template"]
    return found


def _history_arguments(parser: Parser) -> None:
    _shared(parser)
    parser.add_argument("--revision", type=int, default=0)
    parser.add_argument("-o", "--output", default="")


async def _history(session: Session, args: argparse.Namespace) -> int:
    for target, obj in await objects(session, args.words, args):
        found = await _revisions(session, obj, target)
        if args.revision:
            if args.revision not in found:
                raise CommandError("unable to find the specified revision")
            session.say(f"{target.label} with revision #{args.revision}")
            session.say(_shown(_template(found[args.revision])))
            continue
        if not found:
            session.say(f"{target.label} \nNo rollout history found.")
            continue
        rows = [(n, (found[n]["metadata"].get("annotations") or {}).get(CAUSE) or "<none>") for n in sorted(found)]
        page = Page()
        page.line("REVISION", "CHANGE-CAUSE")
        for row in rows:
            page.line(*row)
        session.say(f"{target.label} ")
        session.say(page.finish())
    return 0


def _shown(template: Obj) -> str:
    page = Page()
    podspec.template(page, template)
    return page.unaligned()


def _undo_arguments(parser: Parser) -> None:
    _shared(parser)
    parser.add_argument("--to-revision", type=int, default=0)
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))


async def _undo(session: Session, args: argparse.Namespace) -> int:
    for target, obj in await objects(session, args.words, args):
        if obj["spec"].get("paused"):
            raise CommandError(
                f"cannot rollback a paused deployment; resume it first with 'kubectl rollout resume {target.label}' and try again"
            )
        found = await _revisions(session, obj, target)
        numbers = sorted(found)
        if args.to_revision and args.to_revision not in found:
            raise CommandError(f"unable to find specified revision {args.to_revision} in history")
        if not args.to_revision and len(numbers) < 2:
            raise CommandError(f"no rollout history found for {target.label}")
        template = _template(found[args.to_revision or numbers[-2]])
        labels = {k: v for k, v in (template["metadata"].get("labels") or {}).items() if k != "pod-template-hash"}
        meta = {k: v for k, v in template["metadata"].items() if k != "creationTimestamp"}
        wanted = {"spec": template["spec"], "metadata": {**meta, "labels": labels}}
        if wanted == {
            "spec": obj["spec"]["template"]["spec"],
            "metadata": _without_time(obj["spec"]["template"]["metadata"]),
        }:
            session.say(
                f"{target.label} skipped rollback (current template already matches revision {args.to_revision})"
            )
            continue
        if args.dry_run == "client":
            session.out.write(f"{target.label} {_shown(template)}")
            continue
        params = {"dryRun": "All"} if args.dry_run == "server" else {}
        await session.client.patch(
            target.resource, target.name, [{"op": "replace", "path": "/spec/template", "value": wanted}],
            namespace=target.namespace, type="json", fieldManager="kubectl-rollout", **params,
        )  # fmt: skip
        session.say(f"{target.label} rolled back{suffix(args)}")
    return 0


def _without_time(meta: Obj) -> Obj:
    return {k: v for k, v in meta.items() if k != "creationTimestamp"}


# --- restart, pause, resume


WITH_TEMPLATE = ("Deployment", "DaemonSet", "StatefulSet")


async def _patch(
    session: Session, args: argparse.Namespace, patch: Obj, *, word: str, refuse: Callable[[Target, Obj], str]
) -> int:
    """`refuse` says why an object is not patched; "" for those that are. One that is refused leaves the others to be done."""
    code = 0
    for target, obj in await objects(session, args.words, args):
        why = refuse(target, obj)
        if why:
            group = f".{target.resource.group}" if target.resource.group else ""
            session.warn(f'error: {target.resource.plural}{group} "{target.name}" {why}')
            code = 1
            continue
        await session.client.patch(
            target.resource,
            target.name,
            patch,
            namespace=target.namespace,
            type="strategic",
            fieldManager="kubectl-rollout",
        )
        session.say(f"{target.label} {word}")
    return code


async def _restart(session: Session, args: argparse.Namespace) -> int:
    def refuse(target: Target, obj: Obj) -> str:
        if target.resource.kind not in WITH_TEMPLATE:
            return "restarting is not supported"
        paused = target.resource.kind == "Deployment" and obj["spec"].get("paused")
        return "can't restart paused deployment (run rollout resume first)" if paused else ""

    stamp = {RESTARTED: times.rfc3339(datetime.now(UTC))}
    patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    return await _patch(session, args, patch, word="restarted", refuse=refuse)


async def _pause(session: Session, args: argparse.Namespace) -> int:
    def refuse(target: Target, obj: Obj) -> str:
        if target.resource.kind != "Deployment":
            return "pausing is not supported"
        return "is already paused" if obj["spec"].get("paused") else ""

    return await _patch(session, args, {"spec": {"paused": True}}, word="paused", refuse=refuse)


async def _resume(session: Session, args: argparse.Namespace) -> int:
    def refuse(target: Target, obj: Obj) -> str:
        if target.resource.kind != "Deployment":
            return "resuming is not supported"
        return "" if obj["spec"].get("paused") else "is not paused"

    return await _patch(session, args, {"spec": {"paused": None}}, word="resumed", refuse=refuse)


COMMAND = Command(
    help="Manage the rollout of a resource",
    subcommands={
        "status": Command(help="show the status of the rollout", run=_status, arguments=_status_arguments),
        "history": Command(help="view rollout history", run=_history, arguments=_history_arguments),
        "undo": Command(help="undo a previous rollout", run=_undo, arguments=_undo_arguments),
        "restart": Command(help="restart a resource", run=_restart, arguments=_shared),
        "pause": Command(help="mark the resource as paused", run=_pause, arguments=_shared),
        "resume": Command(help="resume a paused resource", run=_resume, arguments=_shared),
    },
)
