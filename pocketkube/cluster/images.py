"""Images made on this machine without a registry: files packed into the archive that `docker load` reads.

pocketkube/pause:1   the sandbox of every pod: a static shell that waits
pocketkube/base:1    a shell and this machine's Python, for examples and tests to build FROM
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pocketkube.cluster import engine, prepare
from pocketkube.cluster.components import PAUSE_IMAGE
from pocketkube.cluster.layout import all_clusters, home

BASE_IMAGE = "pocketkube/base:1"
BUSYBOX = Path("/bin/busybox")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}

# waits for ever, ends on TERM, and as process 1 of a shared process namespace reaps what pods leave behind
PAUSE = 'trap "exit 0" TERM INT; while :; do sleep 2147483647 & wait $!; done'


def store() -> Path:
    return home() / "images"


def pause() -> Path:
    """The archive of the sandbox image, made at the first call."""
    target = store() / "pause.tar"
    if not target.exists():
        layer = _Layer()
        layer.add(BUSYBOX, "bin/busybox")
        layer.link("bin/sh", "busybox")
        layer.link("bin/sleep", "busybox")
        _save(target, PAUSE_IMAGE, layer, {"Entrypoint": ["/bin/sh", "-c", PAUSE], "Env": ["PATH=/bin"]})
    return target


def base() -> Path:
    """The archive of the base image: busybox's programs, Python with its standard library, and the shared libraries they need."""
    target = store() / "base.tar"
    if target.exists():
        return target
    layer = _Layer()
    layer.add(BUSYBOX, "bin/busybox")
    for name in subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True).stdout.split():
        if name != "busybox":
            layer.link(f"bin/{name}", "busybox")
    _add_python(layer)
    layer.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    layer.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    layer.text("etc/nsswitch.conf", "hosts: files dns\n")
    layer.folder("tmp", 0o1777)
    layer.folder("root", 0o700)
    _save(target, BASE_IMAGE, layer, {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin:/usr/bin", "PYTHONUNBUFFERED=1"]})
    return target


SKIPPED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages", "dist-packages",
           "__pycache__", "pydoc_data", "distutils"}  # fmt: skip


def _add_python(layer: _Layer) -> None:
    """The interpreter that runs us, at its own path (it finds its library by it), linked as /usr/bin/python3."""
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    needed = {program}
    layer.add(program, str(program))
    for path in sorted(library.rglob("*")):
        inside = path.relative_to(library)
        if SKIPPED & set(inside.parts) or inside.parts[0].startswith("config-") or not path.is_file():
            continue
        layer.add(path, str(path))
        if path.suffix == ".so":
            needed.add(path)
    for path in _shared_libraries(needed):
        layer.add(path, str(path))
    if str(program) != "/usr/bin/python3":
        layer.link("usr/bin/python3", str(program))


def _shared_libraries(programs: Iterable[Path]) -> set[Path]:
    """What the dynamic linker loads for these files, and what glibc loads by itself to resolve names."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True)
    words = {word for line in done.stdout.splitlines() if line.startswith("\t") for word in line.split()}
    found = {Path(word) for word in words if word.startswith("/")}
    for library in ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"):
        found |= {p.parent / library for p in set(found) if (p.parent / library).exists()}
    return found


class _Layer:
    """A tar being written: reproducible (no times, no owners), parents first, each path once."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._seen: set[str] = set()

    def add(self, source: Path, target: str) -> None:
        data = source.read_bytes()
        self._put(target, tarfile.REGTYPE, 0o755 if source.stat().st_mode & 0o111 else 0o644, data)

    def text(self, target: str, content: str) -> None:
        self._put(target, tarfile.REGTYPE, 0o644, content.encode())

    def link(self, target: str, to: str) -> None:
        self._put(target, tarfile.SYMTYPE, 0o777, b"", to)

    def folder(self, target: str, mode: int = 0o755) -> None:
        self._put(target, tarfile.DIRTYPE, mode, b"")

    def _put(self, target: str, kind: bytes, mode: int, data: bytes, to: str = "") -> None:
        target = target.lstrip("/")
        if target in self._seen:
            return
        parent = target.rpartition("/")[0]
        if parent and parent not in self._seen:
            self.folder(parent)
        self._seen.add(target)
        info = tarfile.TarInfo(target)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), to
        self._tar.addfile(info, io.BytesIO(data))

    def finish(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def _save(target: Path, name: str, layer: _Layer, config: dict[str, Any]) -> None:
    """Write an image of one layer in the engine's own archive form."""
    data = layer.finish()
    digest = hashlib.sha256(data).hexdigest()
    about = json.dumps({
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux", "config": config,
        "created": "1970-01-01T00:00:00Z", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pocketkube"}],
    }).encode()  # fmt: skip
    about_name = hashlib.sha256(about).hexdigest() + ".json"
    manifest = json.dumps([{"Config": about_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with tarfile.open(part, "w") as archive:
        for path, content in ((about_name, about), (f"{digest}/layer.tar", data), ("manifest.json", manifest)):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    part.rename(target)


def ensure_loaded(socket: str, archive: Path, name: str = PAUSE_IMAGE) -> None:
    """Put an image into an engine unless it holds one of that name."""
    if not engine.has_image(socket, name):
        engine.docker(socket, "load", "-q", "-i", str(archive))


def purge() -> None:
    """Remove the archives, compiled modules, and the images from this machine's engine, once no cluster needs them."""
    for folder in (store(), home() / "compiled"):
        shutil.rmtree(folder, ignore_errors=True)
    if not list(all_clusters()) and prepare.engine_answers():
        for name in (PAUSE_IMAGE, BASE_IMAGE):
            if engine.has_image("/var/run/docker.sock", name):
                engine.docker("/var/run/docker.sock", "rmi", "-f", name)
