"""A machine whose clock is off, against a server that stands in for a cluster's: it says why, and the cluster is told in its own time."""

from __future__ import annotations

import base64
import datetime as dt
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from pocketkube.cluster import joining, pki
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.spec import ClusterSpec
from tests.pocketkube.cluster.test_joining import TOKEN, signature

BEHIND = dt.timedelta(minutes=7)


class Answers(http.server.BaseHTTPRequestHandler):
    """Tells how to join, and keeps the events that it is sent."""

    protocol_version = "HTTP/1.1"
    data: dict[str, str]
    events: list[dict[str, Any]]

    def do_GET(self) -> None:
        self._answer({"data": self.data})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.events.append({**body, "by": self.headers["Authorization"]})
        self._answer(body)

    def _answer(self, obj: dict[str, Any]) -> None:
        body = json.dumps(obj).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(dt.datetime.now(dt.UTC) + BEHIND, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    pki.ensure(tmp_path, ClusterSpec(name="t", slot=0, address="127.0.0.1", nodes=()))
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    url = f"https://127.0.0.1:{listener.server_port}"
    ca = base64.b64encode((tmp_path / "ca.crt").read_bytes()).decode()
    kubeconfig = json.dumps({"clusters": [{"cluster": {"server": url, "certificate-authority-data": ca}}]})
    Answers.data = {
        "kubeconfig": kubeconfig, "jws-kubeconfig-abcdef": signature(kubeconfig), "podCIDR": "10.244.0.0/16",
        "serviceCIDR": "10.96.0.0/12", "clusterDNS": "10.96.0.10", "clusterDomain": "cluster.local",
        "expired-tokens": "fedcba=2026-11-20T00:00:00Z",
    }  # fmt: skip
    Answers.events = []
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield url
    listener.shutdown()
    thread.join()
    listener.server_close()


def test_a_clock_that_is_off_is_told_at_both_ends(server: str) -> None:
    found = joining.discover(server, TOKEN)
    with pytest.raises(ClusterError, match=r"clock is (6m59s|7m0s) behind the control plane's") as refused:
        joining.check_clock(found.date, dt.datetime.now(dt.UTC))
    joining.tell(found, str(refused.value), token=TOKEN, name="w1")
    (event,) = Answers.events
    assert event["involvedObject"] == {"kind": "Node", "name": "w1", "uid": "w1"}
    assert (event["reason"], event["type"], event["message"]) == ("JoinFailed", "Warning", str(refused.value))
    assert event["by"] == f"Bearer {TOKEN}"
    when = dt.datetime.fromisoformat(event["lastTimestamp"])
    assert abs(when - dt.datetime.now(dt.UTC) - BEHIND) < dt.timedelta(seconds=5)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        pytest.param("fedcba.0123456789abcdef", "expired at 2026-11-20T00:00:00Z", id="expired"),
        pytest.param("zzzzzz.0123456789abcdef", "is unknown to the cluster", id="unknown"),
        pytest.param("abcdef.aaaaaaaaaaaaaaaa", "does not match", id="wrong secret"),
    ],
)
def test_what_is_wrong_with_a_token(server: str, token: str, words: str) -> None:
    with pytest.raises(ClusterError, match=words):
        joining.discover(server, token)


def test_a_cluster_that_is_gone_does_not_hide_the_cause(server: str) -> None:
    found = joining.discover(server, TOKEN)
    away = joining.Found(replace(found.cluster, server="https://127.0.0.1:9"), found.ca)
    joining.tell(away, "why", token=TOKEN, name="w1")
    assert Answers.events == []
