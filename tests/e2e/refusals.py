"""What keeps a machine from joining, each made real: one line there, and an event in the cluster once the token let it in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.conftest import until
from tests.e2e.machines import Machine

OLD_ENGINE = """
import http.server, json, socketserver, sys
class Engine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        about = {"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}
        body = b"OK" if self.path == "/_ping" else json.dumps(about).encode()
        self.send_response(200)
        self.send_header("Api-Version", "1.40")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_HEAD = do_GET
    def address_string(self):
        return "unix"
    def log_message(self, *rest):
        pass
server = socketserver.ThreadingUnixStreamServer("/run/docker.sock", Engine)
print("ready", flush=True)
server.serve_forever()
"""
LISTENER = "import socket; s = socket.create_server(('', 10250)); print('ready', flush=True); s.accept()"


def refuse(first: Machine, machine: Machine, server: str, token: str) -> None:
    """Every cause, one after the other; nothing is left on the machine, and its cluster has heard of all that had the right token."""

    def fails(*words: str, server: str = server, token: str = token) -> str:
        return fails_to_join(machine, server, "--token", token, *words)

    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert "does not match" in fails(token=wrong)
    assert "is unknown to the cluster" in fails(token="abcdef.0123456789abcdef")
    assert "expired at 20" in fails(token=expired(first))
    assert "does not answer" in fails(server=server.replace("6443", "6999"))
    machine.run("ip", "addr", "add", "10.244.7.1/24", "dev", "lo")
    assert "overlaps 10.244.7.1/24" in fails()
    machine.run("ip", "addr", "del", "10.244.7.1/24", "dev", "lo")
    with running(machine, LISTENER):
        assert "port 10250, which the kubelet needs, is in use by python" in fails()
    with running(machine, OLD_ENGINE):
        assert "the Docker engine here is 19.03.15, and 20.10 is the oldest that works" in fails()
    machine.run("rm", "/run/docker.sock")
    machine.run("mkdir", "-p", str(machine.home))
    machine.run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(machine.home))
    assert "MiB are free at" in fails()
    machine.run("umount", str(machine.home))
    assert not list(machine.home.iterdir())
    told = first.pk("kubectl", "get", "events", "-n", "default", "--field-selector", "reason=JoinFailed")
    for words in ("overlaps 10.244.7.1/24", "port 10250", "19.03.15", "MiB are free"):
        assert f"node/{machine.name}" in told and words in told, told


def fails_to_join(machine: Machine, *words: str) -> str:
    said = [line for line in machine.pk_fails("join", *words).splitlines() if line.startswith("pk join: ")]
    assert len(said) == 1, said
    return said[0]


def expired(first: Machine) -> str:
    """A token that was valid for a second, and that the cluster has let go since."""
    token = first.pk("token", "create", "--quiet", "--ttl", "1s").strip()
    look = ("kubectl", "get", "configmap", "-n", "kube-public", "cluster-info", "-o", "yaml")
    until("the token to expire", lambda: f"{token[:6]}=20" in first.pk(*look), seconds=20)
    return token


@contextmanager
def running(machine: Machine, program: str) -> Iterator[None]:
    command = [*machine.enter, sys.executable, "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.communicate()
