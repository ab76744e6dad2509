"""Plugins are files: a scan of a package imports each module and takes one constant from it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def scan(package: str, constant: str) -> dict[str, Any]:
    """Module stem -> its `constant`, in the order of the names.

    A folder is one plugin, seen through its `__init__`. Modules whose name starts with "_" are skipped.
    Raises ImportError naming the module that lacks the constant.
    """
    parent = importlib.import_module(package)
    found: dict[str, Any] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(parent.__path__)):
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{name}")
        try:
            found[name] = getattr(module, constant)
        except AttributeError:
            raise ImportError(f"{module.__name__} exports no {constant}", name=module.__name__) from None
    return found
