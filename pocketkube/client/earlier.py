"""Servers of earlier releases: what they do not serve in the version asked for, they may serve in an older one.

Components speak one version of each kind. Once a server has refused to list it, requests go to the older version,
and objects are converted on their way, so that a component of today works beside a server of v1.20.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pocketkube.api.kinds.kind import Kind
from pocketkube.client import resources
from pocketkube.client.resources import Resource

Obj = dict[str, Any]

OLDER = {
    resources.PODDISRUPTIONBUDGETS: "v1beta1",  # until v1.20
    resources.CRONJOBS: "v1beta1",  # until v1.20
    resources.ENDPOINTSLICES: "v1beta1",  # until v1.20
    resources.HORIZONTALPODAUTOSCALERS: "v1",  # until v1.22
}


class Earlier:
    """What one server serves in an older version; nothing, until it refused the newer one."""

    def __init__(self) -> None:
        self._older: dict[Resource, Resource] = {}

    def fall_back(self, resource: Resource) -> bool:
        """The server does not know `resource`: whether there is another version to try from now on.

        Where it does not know that one either, the newer one is asked for again."""
        version = OLDER.get(resource)
        if version is None or self._older.pop(resource, None) is not None:
            return False
        self._older[resource] = resource._replace(version=version)
        return True

    def served(self, resource: Resource) -> Resource:
        return self._older.get(resource, resource) if self._older else resource

    def sent(self, resource: Resource, obj: Any) -> Any:
        """A body as the server reads it."""
        older = self._older.get(resource) if self._older else None
        return obj if older is None or not isinstance(obj, dict) else _convert(older, obj)

    def received(self, resource: Resource, obj: Obj) -> Obj:
        """An object or a list as the component reads it."""
        older = self._older.get(resource) if self._older else None
        if older is None or obj.get("kind") == "Status":
            return obj
        if "items" not in obj:
            return _convert(resource, obj)
        items = [_convert(resource, {**item, "apiVersion": older.api_version}) for item in obj["items"] or ()]
        return {**obj, "apiVersion": resource.api_version, "items": items}


@cache
def _kind(resource: Resource) -> Kind:
    from pocketkube.api import scheme  # heavy, and only for servers of earlier releases

    kind = scheme.builtin().by_plural(resource.group, resource.version, resource.plural)
    if kind is None:
        raise KeyError(f"no built-in kind {resource.qualified} in {resource.version}")
    return kind


def _convert(resource: Resource, obj: Obj) -> Obj:
    """An object in another version as `resource` has it; one without a version, such as a patch, stays as it is."""
    if obj.get("apiVersion", resource.api_version) == resource.api_version or not obj.get("metadata"):
        return obj
    kind = _kind(resource)
    return kind.convert(obj, kind.version) if kind.convert else {**obj, "apiVersion": kind.api_version}
