"""Names of custom resources: within a group, each resource name and each kind belongs to one definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Obj = dict[str, Any]

_ONE = (("PluralConflict", "plural"), ("SingularConflict", "singular"))
_KINDS = (("KindConflict", "kind"), ("ListKindConflict", "listKind"))


class Names:
    """Which definition holds which name, by group. Looking one up costs the same however many there are."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, bool, str], set[str]] = {}  # (group, whether a kind, name) -> definitions
        self._held: dict[str, set[tuple[str, bool, str]]] = {}  # definition -> its names

    def hold(self, definition: str, group: str, accepted: Obj) -> bool:
        """Note what a definition holds now; True where it let go of something."""
        wanted = {(group, is_kind, name) for is_kind, name in _all(accepted)}
        before = self._held.get(definition, set())
        for key in before - wanted:
            self._holders[key].discard(definition)
            if not self._holders[key]:
                del self._holders[key]
        for key in wanted - before:
            self._holders.setdefault(key, set()).add(definition)
        self._held[definition] = wanted
        return bool(before - wanted)

    def release(self, definition: str) -> bool:
        gone = self.hold(definition, "", {})
        del self._held[definition]
        return gone

    def settle(self, definition: str, group: str, wanted: Obj, accepted: Obj) -> tuple[Obj, str, str]:
        """(names to accept, reason, message): reason is "" where nothing is in the way. A name in the way stays as it was."""
        new = {name: value for name, value in accepted.items() if name not in ("shortNames", "categories")}
        reason = message = ""
        for why, name in (*_ONE, *_KINDS):
            if wanted[name] != accepted.get(name) and self._taken(
                definition, group, wanted[name], is_kind=(why, name) in _KINDS
            ):
                reason, message = why, f'"{wanted[name]}" is already in use'
            else:
                new[name] = wanted[name]
        taken = [short for short in wanted.get("shortNames") or () if self._taken(definition, group, short)]
        if taken:
            reason, message = "ShortNamesConflict", _together([f'"{short}" is already in use' for short in taken])
        shorts = accepted.get("shortNames") if taken else wanted.get("shortNames")
        kept = {"shortNames": shorts, "categories": wanted.get("categories")}
        return new | {name: value for name, value in kept.items() if value}, reason, message

    def _taken(self, definition: str, group: str, name: str, *, is_kind: bool = False) -> bool:
        return bool(self._holders.get((group, is_kind, name), set()) - {definition})


def _together(messages: list[str]) -> str:
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


def _all(accepted: Obj) -> Iterator[tuple[bool, str]]:
    for _, name in _ONE:
        if accepted.get(name):
            yield False, accepted[name]
    for _, name in _KINDS:
        if accepted.get(name):
            yield True, accepted[name]
    for short in accepted.get("shortNames") or ():
        yield False, short
