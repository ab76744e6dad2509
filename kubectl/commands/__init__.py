"""One verb a file; each exports COMMAND. Found by name, so that a call loads only what it needs."""

from __future__ import annotations

import importlib
import pkgutil

from kubectl.command import Command


def _names() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(__path__)]


def _load(module: str) -> Command:
    command: Command = importlib.import_module(f"{__name__}.{module}").COMMAND
    return command


def find(word: str) -> tuple[str, Command] | None:
    """A command by its name or alias; `port-forward` lives in port_forward.py."""
    module = word.replace("-", "_").rstrip("_")
    for name in (module, module + "_"):
        if name in _names():
            return word, _load(name)
    for name, command in load_all().items():
        if word in command.aliases:
            return name, command
    return None


def load_all() -> dict[str, Command]:
    return {name.rstrip("_").replace("_", "-"): _load(name) for name in _names()}
