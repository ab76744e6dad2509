"""Files of the node's log folder, and lists of its folders, as a plain web server shows them."""

from __future__ import annotations

import asyncio
import html
from pathlib import Path
from urllib.parse import quote

from kubelet.server.request import TEXT, Request
from pocketkube.api.meta import errors

FOLDER = Path("/var/log")
HTML = "text/html; charset=utf-8"
_MOST = 64 << 20  # bytes of one answer, the end of a larger file


async def answer(request: Request, *, folder: Path = FOLDER) -> None:
    """GET /logs/... Raises NotFound for what is not there or leads out of the folder."""
    body, kind = await asyncio.to_thread(_read, folder, request.parts[1:])
    await request.answer(body, kind)


def _read(folder: Path, parts: list[str]) -> tuple[bytes, str]:
    folder = folder.resolve()
    path = folder.joinpath(*parts).resolve()
    if not path.is_relative_to(folder) or not path.exists():
        raise errors.NotFound("404 page not found")
    return (_listing(path).encode(), HTML) if path.is_dir() else (_tail(path), TEXT)


def _tail(path: Path) -> bytes:
    """A file, or the end of one that is too large."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _MOST, 0))
        return file.read(_MOST)


def _listing(path: Path) -> str:
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in path.iterdir())
    lines = (f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names)
    return "\n".join(("<!doctype html>", "<pre>", *lines, "</pre>", ""))
