"""Static pods: manifests in a folder of the host become pods of this node, without any API server."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import yaml

from kubelet.pods import spec

log = logging.getLogger(__name__)

Obj = dict[str, Any]


def static_pod(manifest: Obj, *, node: str, now: str) -> Obj:
    """The pod that a manifest means on this node: named after it, its uid a hash of what it says. Pure. Raises ValueError."""
    if manifest.get("kind") != "Pod" or not (manifest.get("spec") or {}).get("containers"):
        raise ValueError("not a Pod with containers")
    meta = dict(manifest.get("metadata") or {})
    if not meta.get("name"):
        raise ValueError("metadata.name is missing")
    digest = hashlib.md5(orjson.dumps([manifest, node], option=orjson.OPT_SORT_KEYS), usedforsecurity=False).hexdigest()
    annotations = {**(meta.get("annotations") or {}), spec.SOURCE: "file", spec.HASH: digest}
    annotations["kubernetes.io/config.seen"] = now
    meta |= {"name": f"{meta['name']}-{node.lower()}", "namespace": meta.get("namespace") or "default"}
    meta |= {"uid": digest, "annotations": annotations}
    body = {**manifest["spec"], "nodeName": node}
    body.setdefault("restartPolicy", "Always")
    body.setdefault("terminationGracePeriodSeconds", 30)
    body["tolerations"] = [*(body.get("tolerations") or ()), {"operator": "Exists", "effect": "NoExecute"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body, "status": {"phase": "Pending"}}


def read(path: Path) -> list[Obj]:
    """The manifests of a folder or file. What cannot be read is logged and left out."""
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    found: list[Obj] = []
    for file in files:
        if file.name.startswith(".") or not file.is_file():
            continue
        try:
            found += [doc for doc in yaml.safe_load_all(file.read_text()) if isinstance(doc, dict)]
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as e:
            log.error("manifest %s cannot be read: %s", file, e)
    return found


class StaticPods:
    """Looks at the folder every `seconds` and tells the differences."""

    def __init__(
        self,
        path: Path,
        *,
        node: str,
        now: Callable[[], str],
        apply: Callable[[Obj], None],
        remove: Callable[[Obj], None],
        seconds: float = 20.0,
    ) -> None:
        self._path, self._node, self._now, self._seconds = path, node, now, seconds
        self._apply, self._remove = apply, remove
        self._known: dict[str, Obj] = {}

    def look(self) -> None:
        """Once. Unchanged manifests tell nothing."""
        found: dict[str, Obj] = {}
        for manifest in read(self._path):
            try:
                pod = static_pod(manifest, node=self._node, now=self._now())
            except ValueError as e:
                log.error("a manifest in %s is not used: %s", self._path, e)
                continue
            found[pod["metadata"]["uid"]] = pod
        for uid in [u for u in self._known if u not in found]:
            self._remove(self._known.pop(uid))
        for uid, pod in found.items():
            if uid not in self._known:
                self._known[uid] = pod
                self._apply(pod)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            self.look()
