"""GET /logs/ of the kubelet: files of the node's log folder and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubelet.server import files
from kubelet.server.request import Request
from pocketkube.api.meta import errors


async def get(folder: Path, path: str) -> tuple[str, bytes]:
    """(content type, body)"""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"headers": [], "query_string": b"", "method": "GET", "path": path}
    await files.answer(Request.of(scope, send), folder=folder)
    return dict(sent[0]["headers"])[b"content-type"].decode(), sent[1]["body"]


async def test_folders_are_listed_and_files_shown(tmp_path: Path) -> None:
    (tmp_path / "pods").mkdir()
    (tmp_path / "a&b.log").write_text("hello")
    kind, page = await get(tmp_path, "/logs/")
    assert kind.startswith("text/html")
    assert b'<a href="a%26b.log">a&amp;b.log</a>' in page
    assert b'<a href="pods/">pods/</a>' in page
    assert (await get(tmp_path, "/logs/a&b.log"))[1] == b"hello"


async def test_a_large_file_shows_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST", 3)
    (tmp_path / "big").write_text("0123456")
    assert (await get(tmp_path, "/logs/big"))[1] == b"456"


@pytest.mark.parametrize("path", ["/logs/none", "/logs/../secret", "/logs/link"])
async def test_what_is_outside_is_not_found(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(errors.NotFound):
        await get(folder, path)
