"""Every kind by group, version and kind, and by plural: the built-in ones and those that CRDs add."""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube.api.kinds.kind import Kind
from pocketkube.base import plugins

GROUP_FOLDERS = (
    "core", "apps", "batch", "autoscaling", "policy", "rbac", "networking", "storage", "storagemigration", "coordination",
    "discovery", "events", "node", "scheduling", "certificates", "admissionregistration", "apiextensions",
    "apiregistration", "authentication", "authorization", "flowcontrol", "resource",
)  # fmt: skip


class Scheme:
    """A set of kinds. Several versions of one resource are several kinds; the one with the highest priority is preferred."""

    def __init__(self, kinds: Iterable[Kind] = ()):
        self._by_gvk: dict[tuple[str, str, str], Kind] = {}
        self._by_plural: dict[tuple[str, str, str], Kind] = {}
        for kind in kinds:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        """Serve a kind; one of the same group, version and plural is replaced."""
        self.remove(kind)
        self._by_gvk[kind.group, kind.version, kind.kind] = kind
        self._by_plural[kind.group, kind.version, kind.plural] = kind

    def remove(self, kind: Kind) -> None:
        """Forget the kind of that group, version and plural, if there is one."""
        known = self._by_plural.pop((kind.group, kind.version, kind.plural), None)
        if known is not None:
            self._by_gvk.pop((known.group, known.version, known.kind), None)

    def by_gvk(self, group: str, version: str, kind: str) -> Kind | None:
        return self._by_gvk.get((group, version, kind))

    def by_plural(self, group: str, version: str, plural: str) -> Kind | None:
        return self._by_plural.get((group, version, plural))

    def of(self, api_version: str, kind: str) -> Kind | None:
        """The kind of an object's own apiVersion and kind."""
        group, _, version = api_version.rpartition("/")
        return self._by_gvk.get((group, version, kind))

    def groups(self) -> list[str]:
        """Every group, in the order in which they came; the core group is ""."""
        return list(dict.fromkeys(kind.group for kind in self._by_plural.values()))

    def versions(self, group: str) -> list[str]:
        """The versions of a group, the preferred one first."""
        best: dict[str, int] = {}
        for kind in self._by_plural.values():
            if kind.group == group:
                best[kind.version] = max(kind.priority, best.get(kind.version, 0))
        return sorted(best, key=lambda version: -best[version])

    def kinds(self) -> list[Kind]:
        return list(self._by_plural.values())

    def preferred(self, group: str, plural: str) -> Kind | None:
        """The resource in the version of the highest priority."""
        found = [kind for kind in self._by_plural.values() if kind.group == group and kind.plural == plural]
        return max(found, key=lambda kind: kind.priority, default=None)


def builtin() -> Scheme:
    """A new scheme with every built-in kind."""
    scheme = Scheme()
    for folder in GROUP_FOLDERS:
        for kind in plugins.scan(f"pocketkube.api.kinds.{folder}", "KIND").values():
            scheme.add(kind)
    return scheme
