"""Object literals of mutating policies, `Object.spec{replicas: 3}` and `JSONPatch{op: "add", ...}`, rewritten as CEL maps.

The evaluator builds no objects of types that exist only in Kubernetes; a map of the same fields says as much.
"""

from __future__ import annotations

import re

from pocketkube.api.cel.words import CompileError, shown

_TOKEN = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    r"""|(?P<comment>//[^\n]*)|(?P<type>\b(?:Object(?:\.\w+)*|JSONPatch)(?=\s*\{))|(?P<name>\w+)|(?P<other>\s+|.)""",
    re.DOTALL,
)
_PATCH, _PATCH_FIELDS = "JSONPatch", ("op", "path", "from", "value")
_NAME = re.compile(r"\s*\??\s*(`[^`]+`|\w+)\s*:")


def as_maps(source: str) -> str:
    """`source` with every object literal as a map literal; text without one comes back as it is.

    Raises CompileError for a field that a JSONPatch has not."""
    if "Object" not in source and "JSONPatch" not in source:
        return source
    out: list[str] = []
    braces: list[str] = []  # for each open bracket: of which type it is an object literal, "" if of none
    expects_field = False
    position, pending = 0, ""
    while position < len(source):
        if expects_field and braces and braces[-1] and (found := _NAME.match(source, position)):
            name = found[1].strip("`")
            if braces[-1] == _PATCH and name not in _PATCH_FIELDS:
                why = shown(source, found.start(1), f"undefined field '{name}'")
                raise CompileError(f"compilation failed: {why}")
            optional = "?" if "?" in found[0].split(found[1])[0] else ""
            out.append(f' {optional}"{name}":')
            position, expects_field = found.end(), False
            continue
        token = _TOKEN.match(source, position)
        assert token is not None
        position = token.end()
        if token.lastgroup == "type":
            pending = token[0]
            continue
        text = token[0]
        if token.lastgroup == "other" and not text.isspace():
            if text in "{[(":
                braces.append(pending if text == "{" else "")
                pending, expects_field = "", bool(braces[-1])
            elif text in "}])" and braces:
                braces.pop()
                expects_field = False
            elif text == ",":
                expects_field = bool(braces and braces[-1])
        out.append(text)
    return "".join(out)
