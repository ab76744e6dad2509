"""The titled code blocks of a page, and a place where such a file counts as part of the package that its title names."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r'^```python title="(?P<title>[^"]+)"\n(?P<code>.*?)^```$', re.MULTILINE | re.DOTALL)


def titled(page: str) -> dict[str, str]:
    """Path that a block's title names -> its code."""
    return {m["title"]: m["code"] for m in _BLOCK.finditer((ROOT / page).read_text())}


@contextlib.contextmanager
def added(title: str, code: str, folder: Path) -> Iterator[ModuleType]:
    """The module, found in `folder` by way of its package's `__path__`. A package that is new comes with it."""
    place = folder / Path(title).parent
    place.mkdir(parents=True)
    (folder / title).write_text(code)
    name = title.removesuffix(".py").replace("/", ".")
    before = set(sys.modules)
    host, new = _package(Path(title).parent)
    host.__path__.append(str(folder / host.__name__.replace(".", "/")))
    for path in new:
        (folder / path / "__init__.py").touch()
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(name)
    finally:
        host.__path__.pop()
        for loaded in set(sys.modules) - before:
            if loaded == name or loaded in {str(path).replace("/", ".") for path in new}:
                _forget(loaded)


def _package(folder: Path) -> tuple[ModuleType, list[Path]]:
    """The nearest package that exists, and the folders below it that do not."""
    new: list[Path] = []
    while not (ROOT / folder / "__init__.py").exists():
        new.append(folder)
        folder = folder.parent
    return importlib.import_module(str(folder).replace("/", ".")), new


def _forget(name: str) -> None:
    parent, _, stem = name.rpartition(".")
    sys.modules.pop(name, None)
    if parent in sys.modules and hasattr(sys.modules[parent], stem):
        delattr(sys.modules[parent], stem)
