"""fsGroup: files of a volume belong to a group, which may do what their owner may; new files inherit it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def give_to_group(folder: Path, group: int, *, read_only: bool = False, policy: str = "Always") -> None:
    """`policy` OnRootMismatch leaves a tree alone whose root is right already."""
    if policy == "OnRootMismatch" and _is_right(folder, group):
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            give(os.path.join(parent, name), group, read_only=read_only)
    give(str(folder), group, read_only=read_only)


def _is_right(folder: Path, group: int) -> bool:
    found = folder.stat()
    return found.st_gid == group and bool(found.st_mode & stat.S_ISGID)


def give(path: str, group: int, *, read_only: bool) -> None:
    """One file or folder, not what is below it."""
    found = os.lstat(path)
    os.lchown(path, -1, group)
    if stat.S_ISLNK(found.st_mode):
        return
    mode = stat.S_IMODE(found.st_mode) | (0o440 if read_only else 0o660)
    if stat.S_ISDIR(found.st_mode):
        mode |= stat.S_ISGID | 0o110
    os.chmod(path, mode)
