"""Go templates over objects: `{{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}`, the part of text/template that people use with kubectl.

Text is parsed into a tree once (`parse`), and the tree written with a value as dot (`Template.render`). Actions: if, else if, range (lists,
maps, numbers; else), with, define, template, block, break, continue, variables, pipelines and comments; `{{-` and `-}}` trim blanks.
Functions: and or not eq ne lt le gt ge len index slice print printf println html js urlquery, and base64decode, exists, split, join of
kubectl's. Fields of maps alone: objects have no methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kubectl.errors import CommandError
from kubectl.gofunctions import FUNCTIONS, is_true, text_of

_ACTION = re.compile(
    r"\{\{(-(?=\s))?\s*(/\*.*?\*/|(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|'(?:\\.|[^'\\])*'|[^\"`'])*?)\s*((?<=\s)-)?\}\}", re.S
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<char>'(?:\\.|[^'\\])+')|(?P<number>[-+]?(?:0[xX][\da-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?))"""
    r"""|(?P<field>(?:\$\w*|\))?(?:\.[A-Za-z_][\w]*)+|\$\w*)|(?P<dot>\.)|(?P<word>[A-Za-z_]\w*)|(?P<sign>:=|[|(),=)]))"""
)
_KEYWORD = re.compile(r"(if|range|with|else|end|define|block|template|break|continue)\b")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class TemplateError(CommandError):
    """The template is wrong, or does not fit the object."""


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


@dataclass
class Node:
    """A piece of text (`kind` text), an action (`kind` its keyword, or "" for a pipeline that is printed), with what is inside it."""

    kind: str
    text: str = ""
    pipe: Pipe | None = None
    inside: list[Node] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


@dataclass
class Pipe:
    """`$a, $b := f x | g`: each command is its operands, the value of one the last argument of the next."""

    commands: list[list[Operand]]
    variables: list[str] = field(default_factory=list)
    declares: bool = True


@dataclass
class Operand:
    """A literal, a function's name, or a `base` (dot, a variable, a pipeline in parentheses) with `fields` behind it."""

    kind: str  # literal, function, chain
    value: Any = None
    fields: tuple[str, ...] = ()


def parse(text: str) -> Template:
    """Raises TemplateError."""
    reader = _Reader(list(_pieces(text)))
    nodes, end = reader.nodes(())
    if end:
        raise TemplateError(f"error parsing template {text}, template: output:1: unexpected {{{{{end[0]}}}}}")
    return Template(nodes, reader.defined)


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is an action, its text), blanks trimmed where asked."""
    at, trim = 0, False
    while True:
        found = _ACTION.search(text, at)
        plain = text[at : found.start()] if found else text[at:]
        if "{{" in plain:
            raise TemplateError(f"error parsing template {text}, template: output:1: unclosed action")
        plain = plain.lstrip() if trim else plain
        if not found:
            yield False, plain
            return
        yield False, plain.rstrip() if found[1] else plain
        if not found[2].startswith("/*"):
            yield True, found[2]
        at, trim = found.end(), bool(found[3])


class _Reader:
    """The tree from pieces; `defined` are the templates that have names."""

    def __init__(self, pieces: list[tuple[bool, str]]):
        self._pieces, self._at = pieces, 0
        self.defined: dict[str, list[Node]] = {}

    def nodes(self, ends: tuple[str, ...]) -> tuple[list[Node], tuple[str, str] | None]:
        """Up to an action that begins with one of `ends`, which is given back as (word, rest)."""
        found: list[Node] = []
        while self._at < len(self._pieces):
            action, text = self._pieces[self._at]
            self._at += 1
            if not action:
                if text:
                    found.append(Node("text", text))
                continue
            keyword = _KEYWORD.match(text)
            word, rest = (keyword[0], text[keyword.end() :]) if keyword else ("", text)
            if word in ("end", "else"):
                return found, (word, rest.strip())
            found += self._action(word, rest.strip(), text)
        if ends:
            raise TemplateError("error parsing template: template: output:1: unexpected EOF")
        return found, None

    def _action(self, word: str, rest: str, text: str) -> list[Node]:
        if word in ("if", "range", "with"):
            return [self._branch(word, rest)]
        if word in ("break", "continue"):
            return [Node(word)]
        if word in ("define", "block"):
            tokens = _Tokens(rest)
            name = tokens.string()
            inside, _ = self.nodes(("end",))
            self.defined[name] = inside
            return [Node("template", name, tokens.pipe())] if word == "block" else []
        if word == "template":
            tokens = _Tokens(rest)
            name = tokens.string()
            return [Node("template", name, tokens.pipe() if tokens.more() else None)]
        return [Node("", "", _Tokens(text).pipe())]

    def _branch(self, word: str, rest: str) -> Node:
        node = Node(word, "", _Tokens(rest).pipe())
        node.inside, end = self.nodes(("end", "else"))
        if end and end[0] == "else":
            again, _, more = end[1].partition(" ")
            if again in ("if", "with"):
                node.otherwise = [self._branch(again, more)]
            else:
                node.otherwise, _ = self.nodes(("end",))
        return node


class _Tokens:
    """The words of one action."""

    def __init__(self, text: str):
        self._found: list[tuple[str, str, bool]] = []  # kind, text, whether a blank stands before it
        at, text = 0, text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match or match.end() == at:
                raise TemplateError(f"error parsing template: template: output:1: unexpected {text[at:]!r} in command")
            kind = str(match.lastgroup)
            self._found.append((kind, match[kind], match.start(kind) > at))
            at = match.end()
        self._at = 0

    def more(self) -> bool:
        return self._at < len(self._found)

    def _peek(self, offset: int = 0) -> tuple[str, str, bool]:
        index = self._at + offset
        return self._found[index] if index < len(self._found) else ("end", "", False)

    def string(self) -> str:
        kind, text, _ = self._peek()
        if kind != "string":
            raise TemplateError(
                f"error parsing template: template: output:1: unexpected {text!r}, a name should be here"
            )
        self._at += 1
        return _unquoted(text)

    def pipe(self, closing: str = "") -> Pipe:
        variables, declares = self._variables()
        commands: list[list[Operand]] = [[]]
        while True:
            kind, text, _ = self._peek()
            if kind == "end" or (closing and text.startswith(closing) and kind in ("sign", "field")):
                break
            if text == "|":
                self._at += 1
                commands.append([])
            else:
                commands[-1].append(self._operand())
        if not all(commands):
            raise TemplateError("error parsing template: template: output:1: missing value for command")
        return Pipe(commands, variables, declares)

    def _variables(self) -> tuple[list[str], bool]:
        names: list[str] = []
        at = 0
        while self._peek(at)[1].startswith("$") and "." not in self._peek(at)[1]:
            names.append(self._peek(at)[1])
            following = self._peek(at + 1)[1]
            if following in (":=", "="):
                self._at += at + 2
                return names, following == ":="
            if following != ",":
                break
            at += 2
        return [], True

    def _operand(self) -> Operand:
        kind, text, _ = self._peek()
        self._at += 1
        if kind == "string":
            return Operand("literal", _unquoted(text))
        if kind == "char":
            return Operand("literal", ord(_unquoted(f'"{text[1:-1]}"')))
        if kind == "number":
            return Operand("literal", int(text, 0) if re.fullmatch(r"[-+]?(0[xX])?[\da-fA-F]+", text) else float(text))
        if kind == "field":
            base, *fields = text.split(".")
            return Operand("chain", base or ".", tuple(fields))
        if kind == "dot":
            return Operand("chain", ".")
        if kind == "word":
            constants: dict[str, Any] = {"true": True, "false": False, "nil": None}
            return Operand("literal", constants[text]) if text in constants else Operand("function", text)
        if text == "(":
            inner = self.pipe(closing=")")
            _, end, _ = self._peek()
            self._at += 1
            return Operand("chain", inner, tuple(end.split(".")[1:]))
        raise TemplateError(f"error parsing template: template: output:1: unexpected {text!r} in operand")


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]

    def escaped(match: re.Match[str]) -> str:
        said = match[1]
        return chr(int(said[1:], 16)) if said[0] in "xuU" else _ESCAPES.get(said, said)

    return re.sub(r"\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|.)", escaped, text[1:-1])


@dataclass
class Template:
    nodes: list[Node]
    defined: dict[str, list[Node]]
    allow_missing: bool = True  # a key that a map does not have is `<no value>`

    def render(self, value: Any) -> str:
        """Raises TemplateError."""
        out: list[str] = []
        _Run(self, out).nodes(self.nodes, value, [{"$": value}])
        return "".join(out)


Scopes = list[dict[str, Any]]


class _Run:
    def __init__(self, template: Template, out: list[str]):
        self._template, self._out = template, out

    def nodes(self, nodes: list[Node], dot: Any, scopes: Scopes) -> None:
        for node in nodes:
            self._node(node, dot, scopes)

    def _node(self, node: Node, dot: Any, scopes: Scopes) -> None:
        match node.kind:
            case "text":
                self._out.append(node.text)
            case "break":
                raise _Break
            case "continue":
                raise _Continue
            case "template":
                if node.text not in self._template.defined:
                    raise TemplateError(f'template: output:1: template "{node.text}" not defined')
                value = self._pipe(node.pipe, dot, scopes) if node.pipe else None
                self.nodes(self._template.defined[node.text], value, [{"$": value}])
            case "range":
                self._range(node, dot, scopes)
            case "if" | "with":
                inner: Scopes = [*scopes, {}]
                assert node.pipe
                value = self._pipe(node.pipe, dot, inner)
                if is_true(value):
                    self.nodes(node.inside, value if node.kind == "with" else dot, inner)
                else:
                    self.nodes(node.otherwise, dot, inner)
            case _:
                assert node.pipe
                value = self._pipe(node.pipe, dot, scopes)
                if not node.pipe.variables:
                    self._out.append(text_of(value))

    def _range(self, node: Node, dot: Any, scopes: Scopes) -> None:
        assert node.pipe
        names, bare = node.pipe.variables, Pipe(node.pipe.commands)
        value = self._pipe(bare, dot, scopes)
        pairs: list[tuple[Any, Any]]
        if isinstance(value, dict):
            pairs = sorted(value.items())
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs = [(i, i) for i in range(value)]
        elif value is None:
            pairs = []
        else:
            raise TemplateError(f"template: output:1: range can't iterate over {text_of(value)}")
        if not pairs:
            self.nodes(node.otherwise, dot, [*scopes, {}])
        for key, item in pairs:
            own = dict(zip(names, (key, item) if len(names) == 2 else (item,), strict=False))
            try:
                self.nodes(node.inside, item, [*scopes, own])
            except _Continue:
                continue
            except _Break:
                break

    def _pipe(self, pipe: Pipe, dot: Any, scopes: Scopes) -> Any:
        value: Any = None
        for index, command in enumerate(pipe.commands):
            value = self._command(command, dot, scopes, *([value] if index else []))
        for name in pipe.variables[:1]:
            owner = scopes[-1] if pipe.declares else next((s for s in reversed(scopes) if name in s), None)
            if owner is None:
                raise TemplateError(f"template: output:1: undefined variable {name!r}")
            owner[name] = value
        return value

    def _command(self, command: list[Operand], dot: Any, scopes: Scopes, *last: Any) -> Any:
        first = command[0]
        if first.kind != "function":
            if len(command) > 1 or last:
                raise TemplateError("template: output:1: can't give argument to non-function")
            return self._value(first, dot, scopes)
        return self._call(str(first.value), command[1:], dot, scopes, *last)

    def _call(self, name: str, operands: list[Operand], dot: Any, scopes: Scopes, *last: Any) -> Any:
        if name in ("and", "or"):
            return self._decide(name == "and", operands, dot, scopes, *last)
        function: Callable[..., Any] | None = FUNCTIONS.get(name)
        if function is None:
            raise TemplateError(f'error parsing template: template: output:1: function "{name}" not defined')
        arguments = [*(self._value(o, dot, scopes) for o in operands), *last]
        try:
            return function(*arguments)
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise TemplateError(
                f'template: output:1: executing "output" at <{name}>: error calling {name}: {error}'
            ) from error

    def _decide(self, all_: bool, operands: list[Operand], dot: Any, scopes: Scopes, *last: Any) -> Any:
        """`and`, `or`: the value that decides; what stands behind it is not looked at."""
        value: Any = None
        for operand in operands:
            value = self._value(operand, dot, scopes)
            if is_true(value) != all_:
                return value
        return last[0] if last else value

    def _value(self, operand: Operand, dot: Any, scopes: Scopes) -> Any:
        if operand.kind == "literal":
            return operand.value
        if operand.kind == "function":
            return self._call(str(operand.value), [], dot, scopes)
        if isinstance(operand.value, Pipe):
            value = self._pipe(operand.value, dot, scopes)
        elif operand.value == ".":
            value = dot
        else:
            owner = next((s for s in reversed(scopes) if operand.value in s), None)
            if owner is None:
                raise TemplateError(f'error parsing template: template: output:1: undefined variable "{operand.value}"')
            value = owner[operand.value]
        for name in operand.fields:
            value = self._field(value, name)
        return value

    def _field(self, value: Any, name: str) -> Any:
        if value is None:
            return self._missing(name) if not self._template.allow_missing else None
        if not isinstance(value, dict):
            kind = {str: "string", list: "[]interface {}", bool: "bool", int: "int64", float: "float64"}.get(
                type(value), ""
            )
            raise TemplateError(
                f'template: output:1: executing "output" at <.{name}>: can\'t evaluate field {name} in type {kind or "interface {}"}'
            )
        if name not in value and not self._template.allow_missing:
            self._missing(name)
        return value.get(name)

    def _missing(self, name: str) -> Any:
        raise TemplateError(f'template: output:1: executing "output" at <.{name}>: map has no entry for key "{name}"')
