"""A role: its rules, one row a resource."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]
Key = tuple[str, str, str, str]  # group, resource, URL, name


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.line("Name:", obj["metadata"]["name"])
    page.labels(obj)
    page.line("PolicyRule:")
    page.table(("Resources", "Non-Resource URLs", "Resource Names", "Verbs"), rows(obj.get("rules") or []))


def rows(rules: list[Obj]) -> list[tuple[str, str, str, str]]:
    """One row for each resource and name, verbs of rules that say the same of it joined."""
    found: dict[Key, list[str]] = {}
    for rule in rules:
        names = rule.get("resourceNames") or [""]
        for url in rule.get("nonResourceURLs") or ():
            _add(found, ("", "", url, ""), rule["verbs"])
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in names:
                    _add(found, (group, resource, "", name), rule["verbs"])
    ordered = sorted(found.items(), key=lambda item: _order(*item))
    return [(_said(r, g), f"[{u}]", f"[{n}]", f"[{' '.join(verbs)}]") for (g, r, u, n), verbs in ordered]


def _said(resource: str, group: str) -> str:
    base, _, sub = resource.partition("/")
    return f"{base}.{group}" + (f"/{sub}" if sub else "") if group else resource


def _add(found: dict[Key, list[str]], key: Key, verbs: list[str]) -> None:
    have = found.setdefault(key, [])
    have += [v for v in verbs if v not in have]


def _order(key: Key, verbs: list[str]) -> str:
    """Rules stand in the order of their text, verbs first."""
    group, resource, url, name = key
    return f"[{' '.join(verbs)}],[{group}],[{resource}],[{name}],[{url}]"


EVENTS = False  # none are looked for
DESCRIBE = describe
