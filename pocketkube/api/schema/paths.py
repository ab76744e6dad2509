"""Simple paths into an object as CRDs write them, `.spec.a['b.c']`: names and quoted names, no wildcards."""

from __future__ import annotations

import re

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_$][\w$/@-]*)|\[(?:'(?P<single>(?:\\.|[^'\\])*)'|\"(?P<double>(?:\\.|[^\"\\])*)\")\]"
)


def steps(path: str) -> list[str]:
    """The names of a path. Raises ValueError where it is none."""
    found, at = [], 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            if path[at] == "[":
                raise ValueError("expected single quoted string but got {}".format(path[at + 1 :] or "EOF"))
            raise ValueError(f"expected [ or . but got: {path[at:]}")
        quoted = step["single"] if step["single"] is not None else step["double"]
        found.append(step["name"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = step.end()
    return found
