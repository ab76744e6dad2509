"""Exec, attach and logs of a container: what is asked of the engine, and the streams that come of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kubelet.runtime.docker import streams
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import ContainerRecord, LogOptions, Streams


async def open_exec(
    engine: Engine,
    record: ContainerRecord,
    command: list[str],
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
) -> Streams:
    made = await engine.call(
        lambda client: client.exec_create(record.id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
    )
    path = engine.path(f"/exec/{made['Id']}/start")
    body = {"Detach": False, "Tty": tty}
    reader, writer = await streams.connect(engine.socket_path, "POST", path, body=body, hijack=True)

    async def resize(width: int, height: int) -> None:
        await engine.call(lambda client: client.exec_resize(made["Id"], height=height, width=width))

    async def exit_code() -> int:
        found = await engine.call(lambda client: client.exec_inspect(made["Id"]))
        return int(found.get("ExitCode") or 0)

    return streams.HijackedStreams(reader, writer, tty=tty, resize=resize, exit_code=exit_code)


async def open_attach(engine: Engine, record: ContainerRecord, *, stdin: bool, stdout: bool, stderr: bool) -> Streams:
    wanted = {"stream": "1", "stdin": str(int(stdin)), "stdout": str(int(stdout)), "stderr": str(int(stderr))}
    path = engine.path(f"/containers/{record.id}/attach")
    reader, writer = await streams.connect(engine.socket_path, "POST", path, params=wanted, hijack=True)

    async def resize(width: int, height: int) -> None:
        await engine.call(lambda client: client.resize(record.id, height=height, width=width))

    async def exit_code() -> int:
        return 0

    return streams.HijackedStreams(reader, writer, tty=record.tty, resize=resize, exit_code=exit_code)


async def logs(engine: Engine, record: ContainerRecord, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
    params = {
        "stdout": str(int(options.stream in ("all", "stdout"))),
        "stderr": str(int(options.stream in ("all", "stderr"))),
        "follow": str(int(options.follow)),
        "timestamps": str(int(options.timestamps)),
        "tail": "all" if options.tail is None else str(options.tail),
    }
    if options.since:
        params["since"] = f"{options.since:.9f}"
    path = engine.path(f"/containers/{record.id}/logs")
    reader, writer = await streams.connect(engine.socket_path, "GET", path, params=params)
    try:
        async for frame in streams.frames(reader, tty=record.tty):
            yield frame
    finally:
        writer.close()
