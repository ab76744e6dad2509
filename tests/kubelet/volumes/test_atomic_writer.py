from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelet.volumes.atomic_writer import DATA, File, write


def content(folder: Path) -> dict[str, bytes]:
    """What a user of the volume sees."""
    found: dict[str, bytes] = {}
    for parent, _, names in os.walk(folder, followlinks=True):
        path = Path(parent).relative_to(folder)
        if path.parts and path.parts[0].startswith(".."):
            continue
        found |= {str(path / name): (folder / path / name).read_bytes() for name in names if not name.startswith("..")}
    return found


def test_layout(tmp_path: Path) -> None:
    assert write(tmp_path, {"a": File(b"1", 0o400), "dir/b": File(b"2")})
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400
    assert content(tmp_path) == {"a": b"1", "dir/b": b"2"}


def test_unchanged_content_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a": File(b"1")})
    before = os.readlink(tmp_path / DATA)
    assert not write(tmp_path, {"a": File(b"1")})
    assert os.readlink(tmp_path / DATA) == before


def test_removed_keys_disappear(tmp_path: Path) -> None:
    write(tmp_path, {"a": File(b"1"), "b": File(b"2")})
    write(tmp_path, {"b": File(b"3")})
    assert content(tmp_path) == {"b": b"3"}
    assert len([p for p in tmp_path.iterdir() if p.name.startswith("..2")]) == 1


def test_group_may_read(tmp_path: Path) -> None:
    write(tmp_path, {"a": File(b"1", 0o600)}, group=os.getgid())
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to other groups")
def test_group_has_the_folders_too(tmp_path: Path) -> None:
    """line 65: the volume's folder and those inside belong to the group and hand it on."""
    volume = tmp_path / "volume"
    write(volume, {"d/a": File(b"1", 0o400, owner=1000)}, group=3000)
    for folder in (volume, volume / "d"):
        found = folder.stat()
        assert (found.st_gid, bool(found.st_mode & stat.S_ISGID), found.st_mode & 0o050) == (3000, True, 0o050)
    found = (volume / "d/a").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 3000, 0o440)


PATHS = st.sampled_from(["a", "b", "c", "d/e", "d/f"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(PATHS, st.binary(max_size=3), max_size=4), min_size=1, max_size=4))
def test_the_volume_shows_the_last_write(tmp_path_factory: object, history: list[dict[str, bytes]]) -> None:
    folder = tmp_path_factory.mktemp("volume")  # type: ignore[attr-defined]
    for files in history:
        write(folder, {path: File(data) for path, data in files.items()})
    assert content(folder) == history[-1]
