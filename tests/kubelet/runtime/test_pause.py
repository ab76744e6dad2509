from __future__ import annotations

import io
import platform
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from kubelet.runtime.pause import program, root_filesystem


def test_root_filesystem_holds_the_program() -> None:
    with tarfile.open(fileobj=io.BytesIO(root_filesystem("x86_64"))) as tar:
        entry = tar.getmember("pause")
        assert entry.mode == 0o755 and entry.size == len(program("x86_64")) < 400


def test_arm_program_is_an_elf_of_its_machine() -> None:
    code = program("aarch64")
    assert code[:4] == b"\x7fELF" and int.from_bytes(code[18:20], "little") == 183


def test_other_machines_are_named() -> None:
    with pytest.raises(ValueError, match="no pause program for vax"):
        program("vax")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="has no program for this machine")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_and_ends_when_told(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "pause"
    path.write_bytes(program())
    path.chmod(0o755)
    running = subprocess.Popen([path])
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.1)
    running.send_signal(number)
    assert running.wait(5) == 0
