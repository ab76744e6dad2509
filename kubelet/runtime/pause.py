"""The program of the infra container, written out as machine code: 200 bytes that need no compiler and no registry.

It leaves dead children to the kernel (SIGCHLD ignored, for pods that share their process namespace), then waits for SIGTERM
or SIGINT and ends. Both are blocked first: process 1 of a namespace never gets an unblocked signal that it has no handler for.
"""

from __future__ import annotations

import io
import platform
import struct
import sys
import tarfile

BASE = 0x400000
HEADERS = 64 + 56  # ELF header, one program header

# rt_sigaction(SIGCHLD, {SIG_IGN}); rt_sigprocmask(SIG_BLOCK, {INT, TERM}); rt_sigtimedwait({INT, TERM}); exit(0)
_X86_64 = (
    b"\xbf\x11\x00\x00\x00" b"\xbe%(action)b" b"\x31\xd2" b"\x41\xba\x08\x00\x00\x00" b"\xb8\x0d\x00\x00\x00" b"\x0f\x05"
    b"\x31\xff" b"\xbe%(signals)b" b"\x31\xd2" b"\xb8\x0e\x00\x00\x00" b"\x0f\x05"
    b"\xbf%(signals)b" b"\x31\xf6" b"\x31\xd2" b"\xb8\x80\x00\x00\x00" b"\x0f\x05"
    b"\x85\xc0" b"\x7e\xec"  # test eax,eax; jle: wait again after an interruption
    b"\x31\xff" b"\xb8\x3c\x00\x00\x00" b"\x0f\x05"
)  # fmt: skip


def _aarch64(action: int, signals: int) -> bytes:
    def mov(register: int, value: int) -> list[int]:
        low, high = value & 0xFFFF, value >> 16
        words = [0xD2800000 | low << 5 | register]
        return [*words, 0xF2A00000 | high << 5 | register] if high else words

    call = 0xD4000001
    wait = [*mov(0, signals), *mov(1, 0), *mov(2, 0), *mov(3, 8), *mov(8, 137), call]
    words = [*mov(0, 17), *mov(1, action), *mov(2, 0), *mov(3, 8), *mov(8, 134), call]
    words += [*mov(0, 0), *mov(1, signals), *mov(2, 0), *mov(8, 135), call]
    back = len(wait) + 1
    words += [*wait, 0xF100001F, 0x5400000D | ((-back) & 0x7FFFF) << 5]  # cmp x0, #0; b.le back
    words += [*mov(0, 0), *mov(8, 93), call]
    return struct.pack(f"<{len(words)}I", *words)


def program(machine: str = "") -> bytes:
    """The ELF executable for `machine` (this host's by default). Raises ValueError for one that has no code here."""
    machine = machine or platform.machine()
    if machine not in ("x86_64", "aarch64"):
        raise ValueError(f"no pause program for {machine}: name an image with --pod-infra-container-image")
    start = BASE + HEADERS
    # struct sigaction: handler SIG_IGN, flags, restorer, mask; then the signal set {INT 2, TERM 15}
    data = struct.pack("<QQQQ", 1, 0, 0, 0) + struct.pack("<Q", 1 << 1 | 1 << 14)
    size = len(_code(machine, 0, 0))
    action = start + size + (-size % 8)
    code = _code(machine, action, action + 32)
    body = code + b"\0" * (-len(code) % 8) + data
    return _elf(62 if machine == "x86_64" else 183, start, body) + body


def _code(machine: str, action: int, signals: int) -> bytes:
    if machine == "x86_64":
        return _X86_64 % {b"action": struct.pack("<I", action), b"signals": struct.pack("<I", signals)}
    return _aarch64(action or BASE, signals or BASE)


def _elf(machine: int, entry: int, body: bytes) -> bytes:
    size = HEADERS + len(body)
    identity = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x10000)
    return identity + header + segment


def root_filesystem(machine: str = "") -> bytes:
    """A tar that `docker import` takes: /pause and the mount points that an engine wants."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("dev", "proc", "sys", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        code = program(machine)
        entry = tarfile.TarInfo("pause")
        entry.size, entry.mode = len(code), 0o755
        tar.addfile(entry, io.BytesIO(code))
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(root_filesystem())
