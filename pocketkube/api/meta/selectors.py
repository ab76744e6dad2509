"""Label and field selectors: text or a LabelSelector object goes in, something that matches labels comes out.

a=1,b!=2,c in (x, y),d notin (z),e,!f,g>3
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pocketkube.api.meta import names
from pocketkube.api.meta.errors import BadRequest
from pocketkube.base.kept import remembered

Obj = dict[str, Any]

_WORDS = "in, notin, =, ==, !=, gt, lt"


class Requirement(NamedTuple):
    """One condition on one label. op: `=`, `!=`, in, notin, exists, `!`, gt, lt."""

    key: str
    op: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        key, op, values = self
        if op == "=" or op == "in":
            return labels.get(key) in values
        if op == "!=" or op == "notin":
            return labels.get(key) not in values
        if op == "exists":
            return key in labels
        return key not in labels if op == "!" else self._compares(labels.get(key))

    def _compares(self, found: str | None) -> bool:
        (bound,) = self.values
        try:
            return found is not None and (int(found) > int(bound) if self.op == "gt" else int(found) < int(bound))
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.op in ("exists", "!"):
            return self.key if self.op == "exists" else f"!{self.key}"
        joined = ",".join(sorted(self.values))
        if self.op in ("in", "notin"):
            return f"{self.key} {self.op} ({joined})"
        return f"{self.key}{ {'gt': '>', 'lt': '<'}.get(self.op, self.op) }{joined}"


class Selector:
    """All of several requirements; `nothing` matches no object at all."""

    __slots__ = ("nothing", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = (), *, nothing: bool = False):
        self.requirements = tuple(sorted(requirements, key=lambda r: r.key))
        self.nothing = nothing

    @property
    def empty(self) -> bool:
        """True where it selects everything."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        labels = labels or {}
        for requirement in self.requirements:  # noqa: SIM110 - asked of every object: a generator takes twice the time
            if not requirement.matches(labels):
                return False
        return True

    def exact(self) -> dict[str, str]:
        """The labels that are required to have one certain value: what an index can use."""
        return {r.key: next(iter(r.values)) for r in self.requirements if r.op in ("=", "in") and len(r.values) == 1}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selector):
            return NotImplemented
        return (self.requirements, self.nothing) == (other.requirements, other.nothing)

    def __hash__(self) -> int:
        return hash((self.requirements, self.nothing))

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return "Selector(nothing)" if self.nothing else f"Selector({self})"


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def requirement(key: str, op: str, values: Iterable[str] = ()) -> Requirement:
    """A checked requirement. Raises ValueError in upstream's words."""
    wanted = frozenset(values)
    wrong = (
        [f"key: Invalid value: {_quoted(key)}: {'; '.join(found)}"] if (found := names.is_qualified_name(key)) else []
    )
    if op in ("in", "notin") and not wanted:
        wrong.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if op in ("gt", "lt") and not all(_INTEGER(v) for v in wanted):
        wrong.append(
            f"values[0]: Invalid value: {_quoted(min(wanted))}: for 'Gt', 'Lt' operators, the value must be an integer"
        )
    for index, value in enumerate(sorted(wanted)):
        if found := names.is_label_value(value):
            wrong.append(f"values[{index}][{key}]: Invalid value: {_quoted(value)}: {'; '.join(found)}")
    if wrong:
        raise ValueError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return Requirement(key, op, wanted)


_INTEGER = re.compile(r"[-+]?[0-9]+").fullmatch


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_TOKEN = re.compile(r"\s*(==|=|!=|!|>|<|\(|\)|,|[^\s=!(),><]+)")
_SYMBOLS = frozenset(("=", "==", "!=", "!", ">", "<", "(", ")", ",", ""))


class _Parser:
    """Recursive descent over tokens; "" is the end."""

    def __init__(self, text: str):
        self._tokens = [m[1] for m in _TOKEN.finditer(text)] + [""]
        self._at = 0

    def _next(self) -> str:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _peek(self) -> str:
        return self._tokens[self._at]

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while (token := self._peek()) != "":
            if token in _SYMBOLS and token != "!":
                raise ValueError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except ValueError as wrong:
                raise ValueError(f"unable to parse requirement: {wrong}") from None
            self._separator()
        return found

    def _separator(self) -> None:
        token = self._next()
        if token not in ("", ","):
            raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
        after = self._peek()
        if token == "," and after in _SYMBOLS and after != "!":
            raise ValueError(f"found '{after}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        key = self._next()
        absent = key == "!"
        if absent:
            key = self._next()
        if key in _SYMBOLS:
            raise ValueError(f"found '{key}', expected: identifier")
        if found := names.is_qualified_name(key):
            raise ValueError(f"key: Invalid value: {_quoted(key)}: {'; '.join(found)}")
        if absent or self._peek() in ("", ","):
            return Requirement(key, "!" if absent else "exists")
        return self._comparison(key)

    def _comparison(self, key: str) -> Requirement:
        op = self._next()
        if op in ("in", "notin"):
            return requirement(key, op, self._values())
        if op not in ("=", "==", "!=", ">", "<"):
            raise ValueError(f"found '{op}', expected: {_WORDS}")
        value = self._peek()
        if value in ("", ","):
            value = ""
        elif value in _SYMBOLS:
            raise ValueError(f"found '{value}', expected: identifier")
        else:
            self._next()
        return requirement(key, {"==": "=", ">": "gt", "<": "lt"}.get(op, op), [value])

    def _values(self) -> list[str]:
        """`(a, b,)` is a, b and the empty string."""
        if (token := self._next()) != "(":
            raise ValueError(f"found '{token}' expected: '('")
        if self._peek() == ")":
            self._next()
            return []
        found: list[str] = []
        while True:
            found.append("" if self._peek() in (",", ")") else self._value())
            token = self._next()
            if token == ")":
                return found
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or ')'")

    def _value(self) -> str:
        token = self._next()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: ',', ')' or identifier")
        return token


@remembered(4096)
def _parsed(text: str) -> Selector:
    found = _Parser(text).parse()
    return Selector(found) if found else EVERYTHING


def parse_label_selector(text: str) -> Selector:
    """The selector of a query parameter or `-l`; "" selects everything. Raises BadRequest in upstream's words."""
    try:
        return _parsed(text or "")
    except ValueError as wrong:
        raise BadRequest(str(wrong)) from None


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A LabelSelector object's meaning: None selects nothing, {} everything. Raises ValueError for an unknown operator."""
    if selector is None:
        return NOTHING
    wanted = [Requirement(k, "=", frozenset((v,))) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        op = _OPERATORS.get(expression.get("operator", ""))
        if op is None:
            raise ValueError(f"{_quoted(str(expression.get('operator', '')))} is not a valid label selector operator")
        wanted.append(requirement(expression["key"], op, expression.get("values") or ()))
    return Selector(wanted) if wanted else EVERYTHING


def from_match_labels(labels: Mapping[str, str] | None) -> Selector:
    """What a Service or ReplicationController selects by: plain labels. Empty selects everything."""
    if not labels:
        return EVERYTHING
    return Selector(Requirement(k, "=", frozenset((v,))) for k, v in labels.items())


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector object as text; `<none>` where it selects nothing or everything, as kubectl prints it."""
    return str(from_label_selector(selector)) or "<none>"


class FieldTerm(NamedTuple):
    field: str
    op: str  # = or !=
    value: str


_FIELD_TERM = re.compile(r"((?:[^\\=!]|\\.|!(?!=))*?)(!=|==|=)(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\,=])")
_PIECES = re.compile(r"((?:[^\\,]|\\.)*)(?:,|$)", re.DOTALL)


@remembered(4096)
def _field_terms(text: str) -> tuple[FieldTerm, ...]:
    terms: list[FieldTerm] = []
    at = 0
    while at < len(text):
        match = _PIECES.match(text, at)
        if match is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{text[at:]}'")
        at = match.end()
        if match[1]:
            terms.append(_field_term(match[1], text))
    return tuple(terms)


def _field_term(piece: str, text: str) -> FieldTerm:
    match = _FIELD_TERM.fullmatch(piece)
    if match is None:
        raise ValueError(f"invalid selector: '{text}'; can't understand '{piece}'")
    value = match[3]
    if re.search(r"(?<!\\)(?:\\\\)*=", value) or re.search(r"\\[^\\,=]|(?<!\\)(?:\\\\)*\\$", value):
        raise ValueError(f"invalid field selector: {value}: unescaped character in value")
    return FieldTerm(match[1], "!=" if match[2] == "!=" else "=", _ESCAPED.sub(r"\1", value))


def parse_field_selector(text: str) -> tuple[FieldTerm, ...]:
    """The terms of `metadata.name=a,status.phase!=Running`; all must hold. Raises BadRequest in upstream's words."""
    try:
        return _field_terms(text or "")
    except ValueError as wrong:
        raise BadRequest(str(wrong)) from None
