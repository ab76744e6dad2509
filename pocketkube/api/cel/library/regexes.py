"""What a regular expression finds: `"a1b2".findAll("[0-9]")`. Patterns are RE2's."""

from __future__ import annotations

import re2

from pocketkube.api.cel.library.function import Function


def _find(text: str, pattern: str) -> str:
    found = re2.search(pattern, text)
    return str(found[0]) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in re2.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


FUNCTIONS = (
    Function(".find", ("string, string -> string",), _find),
    Function(".findAll", ("string, string -> list<string>", "string, string, int -> list<string>"), _find_all),
)
