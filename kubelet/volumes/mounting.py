"""The mount system calls that volumes need."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

MS_BIND, MS_REC, MNT_DETACH = 0x1000, 0x4000, 0x2


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Raises OSError with the kernel's errno."""
    words = (source.encode(), os.fsencode(target), kind.encode() or None)
    if _libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


def unmount(target: Path) -> None:
    """Lazily, so that a process still inside does not hold it up; what is not mounted is fine."""
    with suppress(OSError):
        _libc.umount2(os.fsencode(target), MNT_DETACH)


def mounts_below(folder: Path) -> list[Path]:
    """Mount points in a folder, itself included, the deepest first."""
    prefix = str(folder)
    with open("/proc/self/mountinfo") as table:
        points = [line.split()[4].encode().decode("unicode_escape") for line in table]
    found = [p for p in points if p == prefix or p.startswith(prefix + "/")]
    return [Path(p) for p in sorted(found, key=len, reverse=True)]


def ensure_tmpfs(folder: Path, *, size: int = 0, mode: int = 0o1777) -> bool:
    """A tmpfs on the folder, if none is there. False where the host does not let us mount: the folder stays a plain one."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.path.ismount(folder):
        return True
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    try:
        mount("tmpfs", folder, "tmpfs", 0, options)
    except PermissionError:
        return False
    return True
