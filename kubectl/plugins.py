"""Plugins: a program `kubectl-foo-bar` on PATH is the command `kubectl foo bar`; a blank in it is a `-`, a `-` an `_`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

PREFIX = "kubectl-"


def find(words: list[str]) -> tuple[str, list[str]] | None:
    """(program, its arguments): the longest name that the words make and that there is a program for."""
    names = []
    for word in words:
        if word.startswith("-"):
            break
        names.append(word.replace("-", "_"))
    for length in range(len(names), 0, -1):
        program = shutil.which(PREFIX + "-".join(names[:length]))
        if program:
            return program, words[length:]
    return None


def run(words: list[str]) -> None:
    """Become the plugin that the words mean; return if there is none."""
    found = find(words)
    if found:
        os.execv(found[0], [found[0], *found[1]])


def installed() -> Iterator[Path]:
    """Every file on PATH that is named like a plugin, in the order of PATH."""
    seen: set[str] = set()
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if not folder.strip() or folder in seen or not os.path.isdir(folder):
            continue
        seen.add(folder)
        yield from sorted(p for p in Path(folder).iterdir() if p.name.startswith(PREFIX) and not p.is_dir())
