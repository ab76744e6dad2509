"""From an event of a child to the key of its owner: by controller reference, or for orphans by selector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocketkube.api.meta.objects import controller_of, is_deleting
from pocketkube.api.meta.selectors import Selector
from pocketkube.client.informer import Informer
from pocketkube.client.resources import Resource
from pocketkube.client.store import key_of

Obj = dict[str, Any]


class ChildWatch:
    """Calls `enqueue(owner key)` for every event of a child that may matter to an owner; a child that changes owners wakes both.

    `created(key)` and `deleted(key, child)` tell expectations; the start of a graceful deletion counts as `deleted`, and
    `deleted` may therefore come twice for one child.
    """

    def __init__(
        self,
        owners: Informer,
        resource: Resource,
        children: Informer,
        *,
        enqueue: Callable[[str], None],
        selector: Callable[[Obj], Selector] | None = None,
        created: Callable[[str], None] = lambda key: None,
        deleted: Callable[[str, Obj], None] = lambda key, child: None,
    ):
        self._owners, self._resource = owners, resource
        self._enqueue, self._selector = enqueue, selector
        self._created, self._deleted = created, deleted
        children.add_handler(on_add=self._on_add, on_update=self._on_update, on_delete=self._on_delete)

    def owner_of(self, child: Obj) -> Obj | None:
        """The owner that the child's controller reference names, only if the cache holds that very uid."""
        reference = controller_of(child)
        if reference is None or reference["kind"] != self._resource.kind:
            return None
        namespace = child["metadata"].get("namespace")
        key = f"{namespace}/{reference['name']}" if namespace else reference["name"]
        owner: Obj | None = self._owners.store.get(key)
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _on_add(self, child: Obj) -> None:
        if is_deleting(child):  # first seen after a restart: only its deletion counts
            self._on_delete(child)
            return
        owner = self.owner_of(child)
        if owner is not None:
            self._created(key_of(owner))
            self._enqueue(key_of(owner))
        elif controller_of(child) is None:
            self._wake_selecting(child)

    def _on_update(self, old: Obj, new: Obj) -> None:
        before, owner = self.owner_of(old), self.owner_of(new)
        if is_deleting(new) and owner is not None:
            self._deleted(key_of(owner), new)
        if before is not None and (owner is None or key_of(before) != key_of(owner)):
            self._enqueue(key_of(before))
        if owner is not None:
            self._enqueue(key_of(owner))
        elif controller_of(new) is None and not is_deleting(new):
            relabelled = (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {})
            if relabelled or controller_of(old) is not None:
                self._wake_selecting(new)

    def _on_delete(self, child: Obj) -> None:
        owner = self.owner_of(child)
        if owner is not None:
            self._deleted(key_of(owner), child)
            self._enqueue(key_of(owner))

    def _wake_selecting(self, child: Obj) -> None:
        labels = child["metadata"].get("labels")
        if not labels or self._selector is None:
            return
        for owner in self._owners.store.by_index("namespace", child["metadata"].get("namespace", "")):
            selector = self._selector(owner)
            if not selector.empty and selector.matches(labels):
                self._enqueue(key_of(owner))
