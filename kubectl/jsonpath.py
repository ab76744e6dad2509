"""JSONPath as kubectl's `-o jsonpath` has it: `{.items[*].metadata.name}`, ranges, filters, unions, quoted text.

A template is parsed to a list of nodes; evaluating walks the objects. `{range .items[*]}{.metadata.name}{"\\n"}{end}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubectl.errors import CommandError

Step = tuple[str, Any]


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Path:
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Range:
    path: Path
    body: tuple[Any, ...]


_TOKEN = re.compile(
    r"""\s*(?:(?P<recursive>\.\.)|\.?\[(?P<bracket>(?:[^\[\]'"]|'[^']*'|"[^"]*"|\[[^\]]*\])*)\]|\.?(?P<star>\*)
    |\.(?P<field>(?:\\.|[\w$/@-])+)|(?P<root>[$@])|(?P<bare>[A-Za-z_][\w-]*)|(?P<dot>\.))""",
    re.VERBOSE,
)


def relaxed(expression: str) -> str:
    """`metadata.name`, `.metadata.name` and `{.metadata.name}` mean the same where a single path is asked for."""
    text = expression.strip()
    if text.startswith("{") and text.endswith("}"):
        return text
    return "{" + (text if text.startswith((".", "[", "$")) else "." + text) + "}"


def parse(template: str) -> tuple[Any, ...]:
    nodes, rest = _parse(template, 0, inside=False)
    if rest != len(template):
        raise CommandError(f"error parsing jsonpath {template}, {{end}} without {{range}}")
    return nodes


def _parse(template: str, at: int, *, inside: bool) -> tuple[tuple[Any, ...], int]:
    nodes: list[Any] = []
    while at < len(template):
        opening = template.find("{", at)
        if opening < 0:
            nodes.append(Text(template[at:]))
            return tuple(nodes), len(template)
        if opening > at:
            nodes.append(Text(template[at:opening]))
        closing = _closing(template, opening)
        body = template[opening + 1 : closing].strip()
        at = closing + 1
        if body == "end":
            if inside:
                return tuple(nodes), at
            raise CommandError(f"error parsing jsonpath {template}, not in range")
        if body.startswith(("range ", "range\t")):
            inner, at = _parse(template, at, inside=True)
            nodes.append(Range(parse_path(body[6:].strip()), inner))
        elif body[:1] in "\"'" and body:
            nodes.append(Text(_unquote(body)))
        else:
            nodes.append(parse_path(body))
    if inside:
        raise CommandError(f"error parsing jsonpath {template}, unclosed {{range}}")
    return tuple(nodes), at


def _closing(template: str, opening: int) -> int:
    quote = ""
    for index in range(opening + 1, len(template)):
        c = template[index]
        if quote:
            quote = "" if c == quote and template[index - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        elif c == "}":
            return index
    raise CommandError(f"error parsing jsonpath {template}, unclosed action")


def _unquote(text: str) -> str:
    inner = text[1:-1]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), inner)


def parse_path(text: str) -> Path:
    """`.items[?(@.kind=="Pod")].metadata['name']` as steps: field, index, slice, filter, union, star, recursive."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match or match.end() == at:
            raise CommandError(f"error parsing jsonpath {{{text}}}, unrecognized character at {text[at:]!r}")
        at = match.end()
        kind, value = match.lastgroup, match[match.lastgroup or 0]
        if kind == "recursive":
            steps.append(("recursive", None))
            name = re.compile(r"[\w-]+|\*").match(text, at)
            if name:
                steps.append(("star", None) if name[0] == "*" else ("field", name[0]))
                at = name.end()
        elif kind == "field":
            steps.append(("field", re.sub(r"\\(.)", r"\1", value)))
        elif kind == "bare":
            steps.append(("field", value))
        elif kind == "star":
            steps.append(("star", None))
        elif kind == "bracket":
            steps.append(_bracket(value))
    return Path(tuple(steps))


def _bracket(text: str) -> Step:
    text = text.strip()
    if text == "*":
        return "star", None
    if text.startswith("?(") and text.endswith(")"):
        return "filter", _filter(text[2:-1])
    parts = [p.strip() for p in re.findall(r"'[^']*'|\"[^\"]*\"|[^,]+", text)]
    if all(p[:1] in "'\"" for p in parts):
        return "union", [p[1:-1] for p in parts]
    if ":" in text:
        return "slice", slice(*(int(p) if p.strip() else None for p in text.split(":")))
    try:
        return "index", [int(p) for p in parts]
    except ValueError:
        raise CommandError(f"error parsing jsonpath, invalid array index {text}") from None


def _filter(text: str) -> tuple[Path, str, Any]:
    match = re.match(r"^\s*(@?[^=!<>~]+?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*$", text)
    if not match:
        raise CommandError(f"error parsing jsonpath, unrecognized filter {text}")
    path, operator, right = match[1], match[2] or "", match[3]
    return parse_path(path.removeprefix("@")), operator, _literal(right) if right else None


def _literal(text: str) -> Any:
    if text[:1] in "\"'":
        return text[1:-1]
    if text.startswith("@"):
        return parse_path(text[1:])
    try:
        return json.loads(text)
    except ValueError:
        return text


def values(path: Path, root: Any) -> list[Any]:
    """Everything that a path leads to."""
    found = [root]
    for kind, argument in path.steps:
        found = [v for item in found for v in _step(kind, argument, item)]
    return found


def _step(kind: str, argument: Any, item: Any) -> Iterator[Any]:
    if kind == "field":
        if isinstance(item, dict) and argument in item:
            yield item[argument]
    elif kind == "union":
        yield from (item[name] for name in argument if isinstance(item, dict) and name in item)
    elif kind == "star":
        yield from item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    elif kind == "index":
        yield from (item[i] for i in argument if isinstance(item, list) and -len(item) <= i < len(item))
    elif kind == "slice":
        yield from item[argument] if isinstance(item, list) else ()
    elif kind == "recursive":
        yield from _descend(item)
    elif kind == "filter" and isinstance(item, list):
        yield from (element for element in item if _passes(element, *argument))


def _descend(item: Any) -> Iterator[Any]:
    yield item
    for child in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        if isinstance(child, (dict, list)):
            yield from _descend(child)


def _passes(element: Any, path: Path, operator: str, right: Any) -> bool:
    left = values(path, element)
    if not operator:
        return bool(left)
    wanted = values(right, element)[:1] if isinstance(right, Path) else [right]
    if not left or not wanted:
        return False
    a, b = left[0], wanted[0]
    try:
        return bool({"==": a == b, "!=": a != b}[operator] if operator in ("==", "!=") else _ordered(a, b, operator))
    except TypeError:
        return False


def _ordered(a: Any, b: Any, operator: str) -> bool:
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator])


def render(template: tuple[Any, ...], root: Any, *, allow_missing: bool = True) -> str:
    """The text of a parsed template. Several values of one path are joined by spaces, as kubectl does."""
    out = []
    for node in template:
        if isinstance(node, Text):
            out.append(node.text)
        elif isinstance(node, Range):
            out += [render(node.body, value, allow_missing=allow_missing) for value in values(node.path, root)]
        else:
            found = values(node, root)
            if not found and not allow_missing:
                raise CommandError("error executing jsonpath: a field is not found")
            out.append(" ".join(show(v) for v in found))
    return "".join(out)


def show(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
