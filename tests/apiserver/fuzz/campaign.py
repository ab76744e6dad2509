"""python -m tests.apiserver.fuzz.campaign SECONDS FOLDER [SEED]: an API server of its own over a real etcd, asked at random over TLS.

Most requests are of the served OpenAPI, the others protobuf, watches, and what no client should write. FOLDER keeps the server's log
(`apiserver-*.log`), its long turns (`turns.jsonl`), and what was found (`found.txt`); the summary is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import orjson

from bench.connection import Connection
from bench.processes import Processes
from tests import certificates
from tests.apiserver.fuzz.definitions import DEFINITIONS
from tests.apiserver.fuzz.oddities import Oddities, Oddity
from tests.apiserver.fuzz.requests import Operation, Requests, Sample, operations
from tests.apiserver.robustness.processes import ApiServer
from tests.apiserver.test_protobuf import envelope, message
from tests.conftest import Etcd

CLIENTS = 4
REFUSED = (500, 502)  # never; 501, 503 and 504 tell of what cannot be done now
ANSWER_SECONDS = 30.0
ODD_SECONDS = 2.5
_UPSTREAMS = b"without impersonating a user"  # this one is a 500 there, too


class Found:
    """What was asked, and what was wrong."""

    def __init__(self, folder: Path):
        self._file = folder / "found.txt"
        self.statuses: Counter[int] = Counter()
        self.sorts: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()

    def bad(self, what: str, shown: str) -> None:
        self.wrong[what] += 1
        if self.wrong[what] <= 50:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{what}: {shown}\n")


class Asker:
    """One kept-alive connection, opened again when it was closed."""

    def __init__(self, server: ApiServer, found: Found):
        self._server, self._found = server, found
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, sample: Sample) -> None:
        shown = f"{sample.method} {sample.path} {sample.media} {sample.accept} {(sample.body or b'')[:3000]!r}"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, body = await self._exchange(sample)
        except TimeoutError:
            self._found.bad("no answer", shown)
            return self.close()
        except (OSError, EOFError, ValueError) as failure:
            self._found.bad(f"broken: {type(failure).__name__}", shown)
            return self.close()
        self._found.statuses[status] += 1
        if status in REFUSED:
            self._found.bad(str(status), f"{shown}\n   {body[:500]!r}")
        return None

    async def _exchange(self, sample: Sample) -> tuple[int, bytes]:
        if self._writer is None:
            port, context = self._server.port, trusting()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1 << 24)
        assert self._reader is not None
        head = f"{sample.method} {sample.path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\nAccept: {sample.accept}\r\n"
        if sample.body is not None:
            head += f"Content-Type: {sample.media}\r\nContent-Length: {len(sample.body)}\r\n"
        self._writer.write(head.encode("latin-1", "replace") + b"\r\n" + (sample.body or b""))
        lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:] if line)
        body = await self._body(headers)
        if headers.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split()[1]), body

    async def _body(self, headers: dict[bytes, bytes]) -> bytes:
        assert self._reader is not None
        if b"content-length" in headers:
            return await self._reader.readexactly(int(headers[b"content-length"]))
        pieces = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            pieces.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return b"".join(pieces)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def odd(server: ApiServer, oddity: Oddity, found: Found, *, leave: bool) -> None:
    """Write it and read what comes, for a while; no part of it may be a 500."""
    found.sorts[oddity.name] += 1
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting() if oddity.tls else None)
    except OSError as failure:
        return found.bad("no connection", f"{oddity.name}: {failure}")
    got = b""
    try:
        for piece in oddity.pieces:
            await (asyncio.sleep(piece) if isinstance(piece, float) else written(writer, piece))
        if not leave:
            async with asyncio.timeout(ODD_SECONDS):
                while (more := await reader.read(1 << 16)) and len(got) < 1 << 22:
                    got += more
    except (OSError, TimeoutError):
        pass  # it was hung up on, or waits for the rest of a request
    finally:
        writer.transport.abort()
    for line in got.split(b"HTTP/1.1 ")[1:]:
        if line[:3] in (b"500", b"502") and _UPSTREAMS not in line:
            found.bad(f"odd {line[:3].decode()}", f"{oddity.name} {oddity.pieces!r:.3000}\n   {line[:700]!r}")
    return None


async def written(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    async with asyncio.timeout(ODD_SECONDS):
        await writer.drain()


class Campaign:
    def __init__(self, server: ApiServer, found: Found, rng: Random):
        self._server, self._found, self._rng = server, found, rng
        self._known: list[tuple[Requests, Operation]] = []
        self._oddities = Oddities(rng, "admin-token")

    async def prepare(self) -> None:
        connection = await Connection(self._server.target).open()
        for path, obj in DEFINITIONS:
            answer = await connection.ask("POST", path, orjson.dumps(obj))
            assert answer.status in (201, 409), answer
        async with asyncio.timeout(20):
            while not self._known:  # until what was defined is served
                paths = (await connection.ask("GET", "/openapi/v3")).json()["paths"]
                if any("fuzz.example.com" in group for group in paths):
                    for group in paths:
                        document = (await connection.ask("GET", f"/openapi/v3/{group}")).json()
                        maker = Requests(self._rng, document.get("components", {}).get("schemas", {}))
                        self._known += [(maker, operation) for operation in operations(group, document)]
                await asyncio.sleep(0.1)
        connection.close()

    async def client(self, end: float) -> None:
        asker = Asker(self._server, self._found)
        while time.monotonic() < end:
            kind = self._rng.random()
            maker, operation = self._rng.choice(self._known)
            for _ in range(self._rng.choice((1, 1, 4))):
                sample = maker.sample(operation)
                if kind < 0.12:
                    sample = self._binary(operation, sample)
                elif kind < 0.16 and operation.method == "GET":
                    sample = sample._replace(path=sample.path + ("&" if "?" in sample.path else "?") + self._watching())
                self._found.sorts[sample.media if sample.body is not None else operation.method] += 1
                await asker.ask(sample)
        asker.close()

    async def odd_client(self, end: float) -> None:
        while time.monotonic() < end:
            await odd(self._server, self._oddities.make(), self._found, leave=self._rng.random() < 0.3)

    def _watching(self) -> str:
        pick = self._rng.choice
        more = pick(
            (
                "",
                "&allowWatchBookmarks=true",
                "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1",
            )
        )
        return (
            f"watch={pick(('1', 'true', 'x'))}&timeoutSeconds=1&resourceVersion={pick(('', '0', '1', '-1', 'x'))}{more}"
        )

    def _binary(self, operation: Operation, sample: Sample) -> Sample:
        """A protobuf body of the right envelope, and random fields within."""
        if sample.body is None:
            return sample
        kind, rng = operation.kind, self._rng
        version = "/".join(part for part in (kind.get("group"), kind.get("version")) if part) or "v1"
        body = envelope(version, kind.get("kind", "Pod"), self._message(rng.randrange(4)))
        if rng.random() < 0.1:
            body = body[: rng.randrange(len(body))]
        return sample._replace(body=body, media="application/vnd.kubernetes.protobuf")

    def _message(self, depth: int) -> bytes:
        rng = self._rng
        leaves: list[Any] = [b"a", b"", b"\xff", b"10.0.0.1", 0, 1, 2**63, b"x" * 300, rng.randbytes(9)]
        fields = {
            f"f{n}": rng.choice(leaves) if depth == 0 or rng.random() < 0.4 else self._message(depth - 1)
            for n in range(1, 9)
        }
        return message(**{name: value for name, value in fields.items() if rng.random() < 0.5} or {"f1": b"a"})


async def follow_memory(pid: int, samples: list[float], end: float) -> None:
    processes = Processes([pid])
    while time.monotonic() < end:
        samples.append(round(processes.resident(), 1))
        await asyncio.sleep(10)


async def run(seconds: float, folder: Path, seed: int) -> dict[str, Any]:
    etcd = Etcd(folder / "etcd")
    etcd.start()
    turns = folder / "turns.jsonl"
    module = ("tests.apiserver.watched", str(turns))
    keys = certificates.make(folder)
    more = [f"--service-account-signing-key-file={keys.client_key}", f"--service-account-key-file={keys.client_key}"]
    more += ["--service-account-issuer=https://kubernetes.default.svc", "--allow-privileged"]
    server = ApiServer(folder, [etcd.endpoint], keys, more=more, program=module)
    found, memory = Found(folder), list[float]()
    try:
        await server.start()
        campaign = Campaign(server, found, Random(seed))
        await campaign.prepare()
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(follow_memory(server.pid, memory, end))
            for _ in range(CLIENTS):
                group.create_task(campaign.client(end))
                group.create_task(campaign.odd_client(end))
    finally:
        server.stop()
        etcd.stop()
    long = [json.loads(line) for line in turns.read_text().splitlines()] if turns.exists() else []
    return {
        "seed": seed,
        "seconds": seconds,
        "requests": sum(found.statuses.values()),
        "statuses": dict(sorted(found.statuses.items())),
        "sorts": dict(found.sorts.most_common()),
        "wrong": dict(found.wrong),
        "tracebacks": server.log.read_text().count("Traceback"),
        "long turns": len(long),
        "longest turn": max((turn["cpu"] for turn in long), default=0.0),
        "memory": memory[:: max(1, len(memory) // 24)],
    }


if __name__ == "__main__":
    os.makedirs(sys.argv[2], exist_ok=True)
    print(json.dumps(asyncio.run(run(float(sys.argv[1]), Path(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])))))
