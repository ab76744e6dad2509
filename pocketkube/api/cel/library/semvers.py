"""Semantic versions in expressions: parsed, compared, taken apart (semver.org, version 2)."""

from __future__ import annotations

import re
from functools import total_ordering

from pocketkube.api.cel.library.function import SEMVER, Function, Marked, succeeds

_NUMBER = r"(0|[1-9]\d*)"
_PART = r"[0-9A-Za-z-]+"
_FORM = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PART}(?:\.{_PART})*))?(?:\+({_PART}(?:\.{_PART})*))?")
_LEADING = re.compile(r"^(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)$", re.DOTALL)


@total_ordering
class Version:
    """Build metadata takes no part in the order; a release stands above its previews."""

    def __init__(self, text: str):
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"Invalid semantic version {text!r}")
        self.numbers = tuple(int(found[i]) for i in (1, 2, 3))
        parts = found[4].split(".") if found[4] else []
        if any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in parts):
            raise ValueError(f"Numeric PreRelease version must not contain leading zeroes {text!r}")
        preview = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
        self._order = (self.numbers, not parts, preview)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order == other._order

    def __hash__(self) -> int:
        return hash(self._order)

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order


def normalized(text: str) -> str:
    """`v1.02` is 1.2.0: a leading v, leading zeros and missing parts are forgiven."""
    found = _LEADING.match(text.removeprefix("v"))
    if found is None:
        return text
    return ".".join(str(int(found[i] or 0)) for i in (1, 2, 3)) + found[4]


def _made(text: str, lenient: bool = False) -> Marked:
    text = normalized(text) if lenient else text
    Version(text)
    return {"~semver": text.partition("+")[0]}  # what was built takes no part in equality


def of(value: Marked) -> Version:
    return Version(value["~semver"])


FUNCTIONS = (
    Function("semver", (f"string -> {SEMVER}", f"string, bool -> {SEMVER}"), _made),
    Function("isSemver", ("string -> bool", "string, bool -> bool"), succeeds(_made)),
    Function(".major", (f"{SEMVER} -> int",), lambda value: of(value).numbers[0]),
    Function(".minor", (f"{SEMVER} -> int",), lambda value: of(value).numbers[1]),
    Function(".patch", (f"{SEMVER} -> int",), lambda value: of(value).numbers[2]),
)
