"""Kustomizations: a folder's `kustomization.yaml` in, objects out. No cluster is asked and nothing is fetched.

A layer is built from the inside out, in this order: resources (each a file, or a folder that is a layer of its own), generators,
components, then the transformers of `layering.TRANSFORMERS` over all that is there. Names change on the way, so each `Item` remembers
those that it had, and references follow (`references.py`). Hashes of generated objects come last, when their content is final.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubectl.errors import CommandError
from kubectl.kustomizing import generating, hashing, layering, references
from kubectl.kustomizing.item import Item

Obj = dict[str, Any]


def build(folder: Path, warn: Callable[[str], None] = lambda text: None) -> list[Obj]:
    """The objects of a kustomization in the order in which a cluster wants them, what others need first; or as its `sortOptions`
    say. `warn` is told what is deprecated. Raises CommandError."""
    if not folder.exists():
        missing = Path(os.path.abspath(folder))
        raise CommandError(
            f"must build at directory: not a valid directory: evalsymlink failure on '{folder}' : lstat {missing}: "
            "no such file or directory"
        )
    if not folder.is_dir():
        raise CommandError(f"must build at directory: '{folder}': file is not directory")
    items = layering.layer(folder, warn=warn)
    before = {id(item): (item.name, item.namespace) for item in items}
    for item in items:
        if item.hashed:
            item.rename(f"{item.name}-{hashing.suffix(item.obj)}")
    references.follow(items, before)
    for item in items:
        generating.finish(item)
    order = layering.read(folder.resolve()).get("sortOptions") or {}
    if order.get("order") != "fifo":
        items.sort(key=lambda item: _place(item, order.get("legacySortOptions") or {}))
    return [item.obj for item in items]


FIRST = (
    "Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy", "Role",
    "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service", "LimitRange",
    "PriorityClass", "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget",
)  # fmt: skip
LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def _place(item: Item, order: Obj) -> tuple[int, str]:
    first, last = list(order.get("orderFirst") or FIRST), list(order.get("orderLast") or LAST)
    rank = first.index(item.kind) - len(first) if item.kind in first else 0
    rank = last.index(item.kind) + 1 if item.kind in last else rank
    group, _, version = item.obj["apiVersion"].rpartition("/")
    return rank, f"{group or '~G'}_{version}_{item.kind}|{item.namespace or '~X'}|{item.name}"
