"""Replace the files of a volume in one step: readers see all of the old content or all of the new.

volume/..2026_11_21_03_00_00.1234/key      the content, in a folder of its own
volume/..data -> ..2026_11_21_03_00_00.1234    switched by rename
volume/key -> ..data/key                   what users open
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kubelet.volumes.ownership import give, give_to_group

DATA, NEXT = "..data", "..data_tmp"


@dataclass(frozen=True, slots=True)
class File:
    """`owner` None leaves the file to root."""

    content: bytes
    mode: int = 0o644
    owner: int | None = None


def write(folder: Path, files: Mapping[str, File], *, group: int | None = None) -> bool:
    """Make the volume hold exactly `files` (relative path -> file). Returns whether anything changed."""
    data = folder / DATA
    current = folder / os.readlink(data) if data.is_symlink() else None
    if current is not None and _same(current, files):
        _link(folder, files)
        return False
    fresh = _fill(folder, files, group)
    with suppress(FileNotFoundError):
        os.unlink(folder / NEXT)
    os.symlink(fresh.name, folder / NEXT)
    os.replace(folder / NEXT, data)
    _link(folder, files)
    _unlink_gone(folder, files)
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _fill(folder: Path, files: Mapping[str, File], group: int | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S."), dir=folder))
    os.chmod(fresh, 0o755)
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        os.chmod(target, file.mode)
        if file.owner is not None:
            os.chown(target, file.owner, -1)
    if group is not None:  # before readers see any of it
        give_to_group(fresh, group, read_only=True)
        give(str(folder), group, read_only=True)
    return fresh


def _same(current: Path, files: Mapping[str, File]) -> bool:
    found = {str(p.relative_to(current)): p for p in current.rglob("*") if p.is_file()}
    if found.keys() != files.keys():
        return False
    return all(found[name].read_bytes() == file.content for name, file in files.items())


def _tops(files: Mapping[str, File]) -> set[str]:
    return {path.split("/", 1)[0] for path in files}


def _link(folder: Path, files: Mapping[str, File]) -> None:
    for top in _tops(files):
        link = folder / top
        if not link.is_symlink():
            os.symlink(f"{DATA}/{top}", link)


def _unlink_gone(folder: Path, files: Mapping[str, File]) -> None:
    wanted = _tops(files)
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
