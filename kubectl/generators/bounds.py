"""Namespaces, and what limits those within them."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl.generators.generator import REQUIRED, TEXT, Generator, bare, meta, named, pure

Obj = dict[str, Any]


def _quota(args: argparse.Namespace) -> Obj:
    hard = dict(part.split("=", 1) for part in args.hard.split(",") if part)
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta(args.name), "spec": {"hard": hard}}


def _budget(args: argparse.Namespace) -> Obj:
    spec: Obj = {"selector": {"matchLabels": dict(p.split("=", 1) for p in args.selector.split(",") if p)}}
    for name, value in (("minAvailable", args.min_available), ("maxUnavailable", args.max_unavailable)):
        if value:
            spec[name] = int(value) if value.isdigit() else value
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta(args.name), "spec": spec}


def _priority(args: argparse.Namespace) -> Obj:
    about: Obj = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta(args.name)}
    return {
        **about,
        "value": args.value,
        "globalDefault": args.global_default,
        "description": args.description,
        "preemptionPolicy": args.preemption_policy,
    }


GENERATORS: dict[str, Generator] = {
    "namespace": Generator(help="a namespace", arguments=named(), make=pure(bare("v1", "Namespace")), aliases=("ns",)),
    "quota": Generator(help="a resource quota", arguments=named(("--hard", TEXT)), make=pure(_quota)),
    "poddisruptionbudget": Generator(
        help="a pod disruption budget",
        arguments=named(("--selector", REQUIRED), ("--min-available", TEXT), ("--max-unavailable", TEXT)),
        make=pure(_budget), aliases=("pdb",),
    ),
    "priorityclass": Generator(
        help="a priority class",
        arguments=named(
            ("--value", {"type": int, "default": 0}), ("--description", TEXT), ("--global-default", {"action": "store_true"}),
            ("--preemption-policy", {"default": "PreemptLowerPriority"}),
        ),
        make=pure(_priority), aliases=("pc",),
    ),
}  # fmt: skip
