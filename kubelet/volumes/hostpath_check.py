"""A path of the host, checked or made as a hostPath type says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kubelet.volumes.interface import VolumeFailure

CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare(path: Path, kind: str) -> Path:
    """Raises VolumeFailure if the path is not what its type promises."""
    try:
        if kind == "DirectoryOrCreate" or (kind == "" and not path.exists()):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif kind == "FileOrCreate" and not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        found = path.stat()
    except OSError as e:
        raise VolumeFailure(f"hostPath type check failed: {path}: {e.strerror}") from e
    name = kind.removesuffix("OrCreate")
    if name in CHECKS:
        check, words = CHECKS[name]
        if not check(found.st_mode):
            raise VolumeFailure(f"hostPath type check failed: {path} is not {words}")
    return path
