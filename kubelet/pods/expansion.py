"""`$(NAME)` in commands, arguments and environment values; `$$` stands for one dollar. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def expand(text: str, variables: Mapping[str, str]) -> str:
    """An unknown name stays as it is written, `$(NAME)` and all; so does an unclosed one."""
    if "$" not in text:
        return text
    out: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        out.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        close = text.find(")", dollar + 2) if following == "(" else -1
        if following == "$":
            out.append("$")
            at = dollar + 2
        elif close >= 0:
            name = text[dollar + 2 : close]
            out.append(variables.get(name, text[dollar : close + 1]))
            at = close + 1
        else:
            out.append("$")
            at = dollar + 1
    out.append(text[at:])
    return "".join(out)
