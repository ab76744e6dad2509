"""What `apply --prune` deletes: objects of the usual kinds that were applied before and are not among those that were applied now."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl.command import suffix
from kubectl.discovery import Found
from kubectl.errors import CommandError
from kubectl.merge import LAST_APPLIED
from kubectl.resolve import Target
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound

USUAL = (
    "/v1/ConfigMap", "/v1/Endpoints", "/v1/Namespace", "/v1/PersistentVolumeClaim", "/v1/PersistentVolume", "/v1/Pod",
    "/v1/ReplicationController", "/v1/Secret", "/v1/Service", "batch/v1/Job", "batch/v1/CronJob", "networking.k8s.io/v1/Ingress",
    "apps/v1/DaemonSet", "apps/v1/Deployment", "apps/v1/ReplicaSet", "apps/v1/StatefulSet",
)  # fmt: skip

Key = tuple[str, str, str, str]  # group, kind, namespace, name


def check(args: argparse.Namespace) -> None:
    """Raises CommandError unless it is said what may go."""
    if args.prune and not args.all and not args.selector:
        raise CommandError("all resources selected for prune without explicitly passing --all. To prune all resources, "
                           "pass the --all flag. If you did not mean to prune all resources, specify a label selector")  # fmt: skip


async def prune(session: Session, args: argparse.Namespace, kept: set[Key]) -> None:
    """In the namespaces that were applied to."""
    namespaces = {namespace for _, _, namespace, _ in kept if namespace} or {session.namespace}
    for text in args.prune_allowlist or USUAL:
        group, version, kind = (["", *text.split("/")])[-3:] if text.count("/") < 2 else text.split("/")
        group = "" if group == "core" else group
        found = await session.discovery.of_object({"apiVersion": f"{group}/{version}".lstrip("/"), "kind": kind})
        for namespace in sorted(namespaces) if found.resource.namespaced else [""]:
            await _prune(session, args, found, namespace, kept)


async def _prune(session: Session, args: argparse.Namespace, found: Found, namespace: str, kept: set[Key]) -> None:
    resource = found.resource
    for obj in await session.client.items(resource, namespace, labelSelector=args.selector):
        meta = obj["metadata"]
        key = (resource.group, resource.kind, meta.get("namespace", ""), meta["name"])
        if key in kept or LAST_APPLIED not in (meta.get("annotations") or {}) or meta.get("deletionTimestamp"):
            continue
        if args.dry_run != "client":
            params: dict[str, Any] = {"dryRun": "All"} if args.dry_run == "server" else {}
            try:
                await session.client.delete(resource, meta["name"], namespace, propagation="Background", **params)
            except NotFound:
                continue
        session.say(f"{Target(found, namespace, meta['name']).label} pruned{suffix(args)}")
