"""What is wrong with an expression, or went wrong with it, in upstream's words."""

from __future__ import annotations

import re

from pocketkube.api.cel.library.function import OPAQUE

_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_NO_FIELD = re.compile(r"undefined field '([^']*)' not found in struct '([^']*)'")
_NO_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")
_NO_SELECT = re.compile(r"expression of type '([^']*)' cannot be the operand of a select operation")
_NO_FIELDS = "type '{}' does not support field selection"
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)\.[^.']+' \(in container ''\)")
_CARET = re.compile(r" \| \.*\^")


OVER_COST = "operation cancelled: actual cost limit exceeded"


class CompileError(ValueError):
    """The expression is wrong; the text says where."""


class EvaluationError(Exception):
    """The expression failed on these values."""


def complaint(text: str, source: str) -> str:
    """What the evaluator says of an expression that it does not compile."""
    lines = source.split("\n")
    shown: list[str] = []
    column = 0
    for line in _STATUS.sub("", text).split("\n"):
        found = _ERROR.fullmatch(line)
        if found is not None:
            at, column = int(found[1]), int(found[2])
            before = lines[at - 1][: column - 1] if at <= len(lines) else ""
            what, column = _reworded(found[3], before, column)
            line = f"ERROR: <input>:{at}:{column}: {what}"
        elif _CARET.fullmatch(line):
            line = f" | {'.' * (column - 1)}^"
        shown.append(line)
    return "\n".join(shown)


def _reworded(text: str, before: str, column: int) -> tuple[str, int]:
    """(What is wrong, where). `before`: of the source's line what stands before the place."""
    if found := _NO_FIELD.fullmatch(text):
        name, struct = found.groups()
        return (_NO_FIELDS.format(struct) if struct in OPAQUE else f"undefined field '{name}'"), column
    if found := _NO_SELECT.fullmatch(text):
        return _NO_FIELDS.format(found[1]), column
    if found := _NO_OVERLOAD.fullmatch(text):
        name, types = found.groups()
        if before.rstrip().endswith(f".{name}"):
            target, rest = _first(types)
            return f"found no matching overload for '{name}' applied to '{target}.({rest})'", column
    if (found := _UNDECLARED.fullmatch(text)) and before.endswith(found[1]):
        return f"undeclared reference to '{found[1].partition('.')[0]}' (in container '')", column - len(found[1])
    return text, column


def _first(types: str) -> tuple[str, str]:
    """The first of several types, and the others."""
    depth = 0
    for at, letter in enumerate(types):
        depth += (letter in "(<") - (letter in ")>")
        if letter == "," and not depth:
            return types[:at], types[at + 1 :].strip()
    return types, ""


def failure(text: str) -> str:
    """What the evaluator says of an expression that failed on its values."""
    text = _STATUS.sub("", _STATUS.sub("", text))
    if found := re.fullmatch(r'Key not found in map : "(.*)"', text):
        return f"no such key: {found[1]}"
    if text == "Iteration budget exceeded":  # the evaluator goes round ten thousand times and no more
        return OVER_COST
    return re.sub(r"^No matching overloads found.*", "no such overload", text)


def shown(source: str, offset: int, words: str) -> str:
    """What is wrong at a place of an expression, as the evaluator shows it."""
    line = source.count("\n", 0, offset)
    column = offset - (source.rfind("\n", 0, offset) + 1)
    text = source.split("\n")[line]
    return f"ERROR: <input>:{line + 1}:{column + 1}: {words}\n | {text}\n | {'.' * column}^"
