"""Paths of JSON patches: `"/metadata/labels/" + jsonpatch.escapeKey("example.com/a")`."""

from __future__ import annotations

from pocketkube.api.cel.library.function import Function


def _escape(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


FUNCTIONS = (Function("jsonpatch.escapeKey", ("string -> string",), _escape),)
