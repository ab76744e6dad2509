"""`kubectl drain NODE`: cordon it and evict its pods, respecting their disruption budgets."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.nodes import mark
from kubectl.resolve import Target, objects
from kubectl.session import Session
from kubectl.waiting import bounded, duration, until_gone
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta.errors import NotFound, TooManyRequests
from pocketkube.client.resources import PODS

Obj = dict[str, Any]

RETRY_SECONDS = 5


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="NODE")
    parser.add_argument("-l", "--selector", default="")
    parser.add_argument("--ignore-daemonsets", action="store_true")
    parser.add_argument("--delete-emptydir-data", action="store_true")
    parser.add_argument("--force", action="store_true", help="also pods that nobody would create again")
    parser.add_argument("--disable-eviction", action="store_true")
    parser.add_argument("--grace-period", type=int, default=-1)
    parser.add_argument("--timeout", default="0s")
    parser.add_argument("--pod-selector", default="")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))


def problem(pod: Obj, args: argparse.Namespace) -> str:
    """Why a pod must not be evicted; "" if it may."""
    owner = metas.controller_of(pod)
    if owner is None and not args.force and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        return "cannot delete Pods that declare no controller (use --force to override)"
    if any("emptyDir" in v for v in pod["spec"].get("volumes") or ()) and not args.delete_emptydir_data:
        return "cannot delete Pods with local storage (use --delete-emptydir-data to override)"
    return ""


async def run(session: Session, args: argparse.Namespace) -> int:
    nodes = await objects(session, ["nodes", *args.words], args)
    for target, node in nodes:
        await mark(session, target, node, unschedulable=True, dry_run=args.dry_run)
    for target, _ in nodes:
        await _drain(session, args, target)
    return 0


async def _drain(session: Session, args: argparse.Namespace, node: Target) -> None:
    pods = await session.client.items(PODS, fieldSelector=f"spec.nodeName={node.name}", labelSelector=args.pod_selector)
    evicted, refused, kept = [], [], []
    for pod in pods:
        owner = metas.controller_of(pod)
        if "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or ()):
            continue
        if owner and owner["kind"] == "DaemonSet":
            kept.append(pod)
        elif why := problem(pod, args):
            refused.append((pod, why))
        else:
            evicted.append(pod)
    names = [f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in kept]
    if kept and not args.ignore_daemonsets:
        raise CommandError(
            f'unable to drain node "{node.name}" due to error: cannot delete DaemonSet-managed Pods '
            f"(use --ignore-daemonsets to ignore): {', '.join(names)}"
        )
    if refused:
        listed = ", ".join(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p, _ in refused)
        raise CommandError(f'unable to drain node "{node.name}" due to error: {refused[0][1]}: {listed}')
    if kept:
        session.warn(f"Warning: ignoring DaemonSet-managed Pods: {', '.join(names)}")
    seconds = duration(args.timeout) or -1
    found = await session.discovery.find("pods")
    jobs = []
    for pod in evicted:
        meta = pod["metadata"]
        session.say(f"evicting pod {meta['namespace']}/{meta['name']}")
        jobs.append(_evict(session, args, Target(found, meta["namespace"], meta["name"]), meta["uid"]))
    if args.dry_run == "none":
        await bounded(asyncio.gather(*jobs), seconds, f"node/{node.name}")
    else:
        for job in jobs:
            job.close()
    session.say(f"node/{node.name} drained")


async def _evict(session: Session, args: argparse.Namespace, pod: Target, uid: str) -> None:
    options = {"gracePeriodSeconds": args.grace_period} if args.grace_period >= 0 else {}
    eviction = {
        "apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": options,
        "metadata": {"name": pod.name, "namespace": pod.namespace},
    }  # fmt: skip
    while True:
        try:
            if args.disable_eviction:
                await session.client.delete(
                    PODS, pod.name, pod.namespace, **({"grace": args.grace_period} if options else {})
                )
            else:
                await session.client.create(PODS, eviction, pod.namespace, name=pod.name, subresource="eviction")
            break
        except NotFound:
            return
        except TooManyRequests as error:
            session.warn(
                f'error when evicting pods/"{pod.name}" -n "{pod.namespace}" (will retry after 5s): {error.message}'
            )
            await asyncio.sleep(RETRY_SECONDS)
    await until_gone(session, pod, uid)
    session.say(f"pod/{pod.name} evicted")


COMMAND = Command(help="Drain a node in preparation for maintenance", run=run, arguments=arguments)
