"""Clients that count: one asks a service, one writes to the API, each without pause, while the cluster around them is damaged.

Both keep when each request succeeded or failed, so that a test can say how many were lost and how long nothing succeeded.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

CLIENTS = 4
_PORTS = itertools.cycle(
    range(12_000, 13_500)
)  # few: what a node remembers of a port's last flow must not mislead its next
SETTLE_SECONDS = 1.0
GIVE_UP_SECONDS = 30.0  # a request without an answer for this long has failed


@dataclass
class Count:
    """Requests in the order in which they ended. `longest_gap`: seconds between two successes, or between one and now.
    `phase` is what is being done to the cluster; losses are counted by that in which they began. `patience`: seconds until a
    request is lost."""

    sent: int = 0
    phase: str = ""
    patience: float = GIVE_UP_SECONDS
    failures: list[str] = field(default_factory=list)
    lost_in: Counter[str] = field(default_factory=Counter)
    longest_gap: float = 0.0
    slowest: float = 0.0  # seconds of one request that succeeded
    last_failure: float = 0.0  # monotonic time at which it ended
    _last: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lost(self) -> int:
        return len(self.failures)

    def begin(self, phase: str) -> None:
        """Name what comes next, and let those requests end that began before."""
        self.phase = phase
        time.sleep(SETTLE_SECONDS)

    def ended(self, began: float, failure: str, phase: str = "") -> None:
        now = time.monotonic()
        with self._lock:
            self.sent += 1
            if failure:
                self.last_failure = now
                self.lost_in[phase] += 1
                self.failures.append(
                    f"{time.strftime('%H:%M:%S', time.gmtime())} after {now - began:.2f}s: {failure} {phase}"
                )
                return
            self.slowest = max(self.slowest, now - began)
            self.longest_gap = max(self.longest_gap, now - self._last)
            self._last = now

    def finish(self) -> None:
        self.longest_gap = max(self.longest_gap, time.monotonic() - self._last)

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.lost} lost {dict(self.lost_in) or ''}, "
            f"longest gap {self.longest_gap:.2f}s, slowest {self.slowest:.2f}s"
            + "".join(f"\n  {line}" for line in self.failures[-20:])
        )


@contextmanager
def asking(*urls: str, clients: int = CLIENTS, pause: float = 0.05) -> Iterator[Count]:
    """`clients` at once send GETs, each to one of the URLs and each on a connection of its own, as a new visitor would. Anything
    but 200 is a loss."""
    count, stop = Count(), threading.Event()

    def ask(url: str) -> str:
        to = urlsplit(url)
        connection = http.client.HTTPConnection(to.netloc, timeout=count.patience)
        try:
            connection.sock = _connect(to.hostname or "", to.port or 80, seconds=count.patience)
            connection.request("GET", to.path or "/")
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
        return "" if answer.status == 200 else f"{answer.status} {body[:100]!r}"

    def visit(url: str) -> None:
        while not stop.is_set():
            began, phase = time.monotonic(), count.phase
            count.ended(began, ask(url), phase)
            stop.wait(pause)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(visit, urls[i % len(urls)]) for i in range(clients)]
        try:
            yield count
        finally:
            stop.set()
            for each in running:
                each.result()
            count.finish()


@dataclass
class Writes:
    """What a writer sent: `acknowledged` names were answered 201, `unsure` ones were not answered (they may be there or not)."""

    count: Count = field(default_factory=Count)
    acknowledged: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


@contextmanager
def writing(
    kubeconfig: Path, *, prefix: str, clients: int = 3, keep: bool = True, pause: float = 0.05
) -> Iterator[Writes]:
    """`clients` at once create ConfigMaps `PREFIX-N-M`, each over one kept connection, made anew after a failure, or over new ones."""
    server, context = _admin(kubeconfig)
    writes, stop = Writes(), threading.Event()

    def write(number: int) -> None:
        connection, index = None, 0
        while not stop.is_set():
            name, began, phase = f"{prefix}-{number}-{index}", time.monotonic(), writes.count.phase
            index += 1
            try:
                connection = connection or http.client.HTTPSConnection(server, timeout=GIVE_UP_SECONDS, context=context)
                failure = _create(connection, name)
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            if connection and (failure or not keep):
                connection.close()
                connection = None
            (writes.unsure if failure else writes.acknowledged).append(name)
            writes.count.ended(began, failure, phase)
            stop.wait(pause)
        if connection:
            connection.close()

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(write, i) for i in range(clients)]
        try:
            yield writes
        finally:
            stop.set()
            for each in running:
                each.result()
            writes.count.finish()


def _connect(host: str, port: int, *, seconds: float) -> socket.socket:
    """From a port that was used some seconds ago, as by a client that has few."""
    for _ in range(100):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(seconds)
        try:
            made.bind(("", next(_PORTS)))
        except OSError:  # somebody else's
            made.close()
            continue
        try:
            made.connect((host, port))
        except OSError:
            made.close()
            raise
        return made
    raise OSError("no port is free")


def _create(connection: http.client.HTTPSConnection, name: str) -> str:
    """ "" if it is stored, else what was said instead."""
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
    connection.request("POST", "/api/v1/namespaces/default/configmaps", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    return "" if answer.status == 201 else f"{answer.status} {text[:200]!r}"


def _admin(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """(host:port, context with the administrator's certificate)."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        if "certificate-authority-data" in cluster
        else Path(cluster["certificate-authority"]).read_text()
    )
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name in ("client-certificate", "client-key"):
            file = Path(folder, name)
            data = user.get(f"{name}-data")
            file.write_bytes(base64.b64decode(data) if data else Path(user[name]).read_bytes())
            files.append(file)
        context.load_cert_chain(files[0], files[1])
    return urlsplit(cluster["server"]).netloc, context
