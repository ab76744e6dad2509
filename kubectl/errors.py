"""What goes wrong at the command line: one line on standard error and a non-zero exit."""

from __future__ import annotations

from typing import Any

from pocketkube.api.meta.errors import StatusError


class CommandError(Exception):
    """The message is printed behind `error: `."""


class UsageError(CommandError):
    """The words of the command are wrong; a hint at the --help of `program` follows, unless it is empty."""

    def __init__(self, message: str, program: str = "kubectl"):
        super().__init__(message)
        self.program = program


def sentence(error: StatusError, *, while_: str = "") -> str:
    """How kubectl prints a server's refusal: `Error from server (NotFound): pods "x" not found`. `while_` says what was being done."""
    if error.reason == "Invalid" and error.details.get("name"):
        return _invalid(error)
    reason = f" ({error.reason})" if error.reason else ""
    return f"Error from server{reason}: {f'{while_}: ' if while_ else ''}{error.message}"


def _invalid(error: StatusError) -> str:
    causes: list[dict[str, Any]] = error.details.get("causes") or []
    kind, name = error.details.get("kind", ""), error.details["name"]
    head = f'The {kind} "{name}" is invalid'
    if not causes:
        return f"{head}: {error.message}"
    lines = [f"{c.get('field')}: {c.get('message')}" for c in causes]
    return f"{head}: {lines[0]}" if len(lines) == 1 else "\n".join([f"{head}:", *(f"* {line}" for line in lines)])
