"""Every endpoint of the served OpenAPI under random requests: no 500, no traceback, and never long on the loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.apiserver.fuzz.requests import Operation, Requests, Sample, operations
from tests.apiserver.server import Client, running

SEED = int(os.environ.get("FUZZ_SEED", "1"))
REFUSED = (500, 501, 502)  # never; 503 and 504 are answers to what cannot be served now
BLOCKED_SECONDS = 0.05  # of CPU between two turns of the loop


class Faults(logging.Handler):
    """Collects every record with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.found.append(logging.Formatter().format(record)[-1500:])


async def known_operations(client: Client, rng: Random) -> list[tuple[Requests, Operation]]:
    found = []
    for group in (await client.ok("GET", "/openapi/v3"))["paths"]:
        document = await client.ok("GET", f"/openapi/v3/{group}")
        maker = Requests(rng, document["components"]["schemas"])
        found += [(maker, operation) for operation in operations(group, document)]
    return found


class Run:
    """Requests one after the other, and what was wrong with their answers."""

    def __init__(self, client: Client):
        self._client = client
        self.statuses: Counter[int] = Counter()
        self.bad: list[str] = []
        self.slow: list[tuple[float, str]] = []

    async def ask(self, sample: Sample) -> None:
        before = time.thread_time()
        answer = await asyncio.wait_for(
            self._client(sample.method, sample.path, sample.body, media=sample.media, accept=sample.accept), 20
        )
        taken = time.thread_time() - before
        self.statuses[answer.status] += 1
        shown = f"{sample.method} {sample.path} {sample.media} {(sample.body or b'')[:3000]!r}"
        if answer.status in REFUSED or not 200 <= answer.status < 600:
            self.bad.append(f"{answer.status}: {shown}\n  {answer.body[:300]!r}")
        if taken > BLOCKED_SECONDS:
            self.slow.append((taken, shown))


def signing_key(folder: Path) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = folder / "sa.key"
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, form, plain))
    return str(path)


async def fuzz(folder: Path, *, seed: int, seconds: float, most: int) -> tuple[Run, Faults]:
    rng = Random(seed)
    faults = Faults()
    logging.getLogger().addHandler(faults)
    try:
        async with running(folder, service_account_signing_key_file=signing_key(folder)) as client:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            await client("POST", "/api/v1/namespaces/default/serviceaccounts", account)
            known = await known_operations(client, rng)
            run = Run(client)
            for maker, operation in known:  # what is loaded when first used is loaded
                await run.ask(maker.sample(operation))
            run.slow.clear()
            end = time.monotonic() + seconds
            while time.monotonic() < end and sum(run.statuses.values()) < most:
                maker, operation = rng.choice(known)
                for _ in range(rng.choice((1, 1, 4))):
                    await run.ask(maker.sample(operation))
            return run, faults
    finally:
        logging.getLogger().removeHandler(faults)


@pytest.mark.parametrize(
    ("seconds", "most"),
    [
        pytest.param(20.0, 12_000, id="short", marks=pytest.mark.integration),
        pytest.param(float(os.environ.get("FUZZ_SECONDS", "300")), 10**9, id="long", marks=pytest.mark.slow),
    ],
)
async def test_no_request_brings_the_server_down(tmp_path: Path, seconds: float, most: int) -> None:
    run, faults = await fuzz(tmp_path, seed=SEED, seconds=seconds, most=most)
    assert not faults.found, faults.found[0]
    assert not run.bad, run.bad[:3]
    assert run.statuses[200] > 100 and run.statuses[201] > 10, run.statuses
    # One or two turns may be slow by a collection of garbage or another process; a request that always is shows more often.
    assert len(run.slow) <= max(2, sum(run.statuses.values()) // 10_000), sorted(run.slow, reverse=True)[:3]
