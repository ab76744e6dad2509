"""exec, attach, cp, port-forward, logs and proxy from end to end, over both wires that kubectl speaks, and what is left after them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, run, until

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: pocketkube/base:1
    command:
    - sh
    - -c
    - |
      echo started; mkdir /tmp/www; echo '<a href="/page">page</a>' > /tmp/www/index.html
      head -c 5000000 /dev/urandom > /tmp/www/big; exec python3 -m http.server -d /tmp/www 8080
    ports: [{containerPort: 8080, name: http}]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""
WIRES = [
    pytest.param({}, id="websocket"),
    pytest.param({"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}, id="spdy"),
]
BIG = os.urandom(10 << 20)


class Streams:
    """A cluster with the pods of this file, and kubectl with bytes."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.wire: dict[str, str] = {}

    def start(self, *words: str, stdin: int | None = subprocess.PIPE) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.cluster.kubectl_program, "-n", "streams", *words],
            env={**self.cluster.kube_env, **self.wire}, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *words: str, stdin: bytes = b"") -> bytes:
        process = self.start(*words)
        out, err = process.communicate(stdin, timeout=60)
        assert process.returncode == 0, err
        return out

    @contextmanager
    def forwarded(self, target: str, port: str) -> Iterator[str]:
        """The address at which kubectl listens."""
        process = self.start("port-forward", target, f":{port}")
        try:
            assert process.stdout
            line = process.stdout.readline().decode()
            yield f"http://127.0.0.1:{line.split('127.0.0.1:')[1].split(' ')[0]}"
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Streams]:
    cluster.kubectl("create", "namespace", "streams")
    made = Streams(cluster)
    until("the service account", lambda: made("get", "serviceaccount", "default"))
    made("apply", "-f", "-", stdin=PODS.encode())
    made("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    yield made
    cluster.kubectl("delete", "namespace", "streams", "--wait=false")


@pytest.fixture(params=WIRES)
def kubectl(pods: Streams, request: pytest.FixtureRequest) -> Iterator[Streams]:
    pods.wire = request.param
    yield pods
    pods.wire = {}


def test_ten_megabytes_through_cat(kubectl: Streams) -> None:
    out = kubectl("exec", "-i", "web", "--", "cat", stdin=BIG)
    assert len(out) == len(BIG) and out == BIG


def test_output_is_whole_and_errors_are_apart(kubectl: Streams) -> None:
    process = kubectl.start("exec", "web", "--", "sh", "-c", "seq 200000; echo oops >&2; exit 3")
    out, err = process.communicate(timeout=30)
    assert out == b"".join(b"%d\n" % n for n in range(1, 200001))
    assert err.startswith(b"oops\n") and b"exit code 3" in err
    assert process.returncode == 3


def test_copying_there_and_back(kubectl: Streams, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(BIG)
    kubectl("cp", str(tmp_path / "there"), "web:/tmp/there")
    kubectl("cp", "web:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == BIG


def test_attach(kubectl: Streams) -> None:
    name = "over-" + ("spdy" if kubectl.wire else "websocket")
    reader = ["sh", "-c", "while read line; do echo got $line; done"]
    kubectl("run", name, "--image=pocketkube/base:1", "--restart=Never", "--stdin", "--attach=false", "--", *reader)
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
    process = kubectl.start("attach", "-i", name)
    assert process.stdin and process.stdout
    process.stdin.write(b"one\n")
    process.stdin.flush()
    lines = iter(process.stdout.readline, b"")
    assert next(line for line in lines if line.startswith(b"got")) == b"got one\n"
    process.kill()
    process.communicate(timeout=10)
    kubectl("delete", "pod", name, "--now", "--wait=false")


@pytest.mark.parametrize("target", ["pod/web", "service/web"])
def test_port_forward(kubectl: Streams, target: str) -> None:
    digest = kubectl("exec", "web", "--", "sha256sum", "/tmp/www/big").split()[0].decode()
    with kubectl.forwarded(target, "8080" if target == "pod/web" else "80") as address:
        for _ in range(3):  # each a connection of its own
            with urllib.request.urlopen(f"{address}/big", timeout=30) as answer:
                assert hashlib.sha256(answer.read()).hexdigest() == digest


def test_logs_follow_to_the_end(pods: Streams) -> None:
    script = "for i in $(seq 20); do echo line $i; sleep 0.02; done"
    pods("run", "talker", "--image=pocketkube/base:1", "--restart=Never", "--", "sh", "-c", script)
    pods("wait", "--for=jsonpath={.status.phase}=Running", "pod/talker", "--timeout=30s")
    out = pods("logs", "-f", "talker")
    assert out.splitlines() == [b"line %d" % n for n in range(1, 21)]


def test_debug_by_an_ephemeral_container(pods: Streams) -> None:
    debug = ["debug", "web", "--image=pocketkube/base:1", "--profile=general", "-c", "look", "--attach=false"]
    pods(*debug, "--", "sh", "-c", "echo from inside; exec sleep 600")
    until("the ephemeral container", lambda: pods("exec", "web", "-c", "look", "--", "echo", "here") == b"here\n")
    assert pods("logs", "web", "-c", "look") == b"from inside\n"


@pytest.mark.parametrize("name", ["pods/web:8080", "pods/http:web:http", "services/web:http", "services/http:web:80"])
def test_proxy_of_pods_and_services(pods: Streams, name: str) -> None:
    page = pods("get", "--raw", f"/api/v1/namespaces/streams/{name}/proxy/")
    assert b"".join(page.split()) == f'<ahref="/api/v1/namespaces/streams/{name}/proxy/page">page</a>'.encode()


def test_proxy_of_the_node(pods: Streams) -> None:
    node = pods("get", "nodes", "-o", "name").decode().split()[0].removeprefix("node/")
    assert pods("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == b"ok"
    path = f"/api/v1/nodes/{node}/proxy/pods"
    pods("create", "serviceaccount", "robot")
    process = pods.start("get", "--raw", path, "--as=system:serviceaccount:streams:robot")
    _, err = process.communicate(timeout=30)
    assert process.returncode and b"nodes/proxy" in err
    pods("create", "clusterrole", "streams-proxy", "--verb=get", "--resource=nodes/proxy")
    pods(
        "create", "clusterrolebinding", "streams-proxy", "--clusterrole=streams-proxy", "--serviceaccount=streams:robot"
    )
    assert b'"web"' in pods("get", "--raw", path, "--as=system:serviceaccount:streams:robot")
    pods("delete", "clusterrole,clusterrolebinding", "streams-proxy")


PYTHON_CLIENT = """
import sys
from kubernetes import client, config
from kubernetes.stream import portforward, stream

api = client.CoreV1Api(config.new_client_from_config(sys.argv[1]))
words = ["sh", "-c", "read x; echo got $x; echo oops >&2; exit 5"]
session = stream(
    api.connect_get_namespaced_pod_exec, "web", "streams", command=words,
    stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
)
session.write_stdin("this\\n")
session.run_forever(timeout=20)
assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("got this\\n", "oops\\n", 5)
forward = portforward(api.connect_get_namespaced_pod_portforward, "web", "streams", ports="8080")
socket = forward.socket(8080)
socket.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
socket.settimeout(20)
answer = b""
while data := socket.recv(65536):
    answer += data
assert b" 200 OK" in answer and answer.endswith(b"page</a>\\n"), answer
"""


def test_the_python_clients_streams(pods: Streams) -> None:
    run(sys.executable, "-c", PYTHON_CLIENT, pods.cluster.kube_env["KUBECONFIG"], timeout=60)


def _sockets(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    return sum(1 for fd in folder.iterdir() if str(_link(fd)).startswith("socket:"))


def _link(fd: Path) -> str:
    try:
        return os.readlink(fd)
    except FileNotFoundError:
        return ""


def test_clients_that_vanish_leave_nothing(kubectl: Streams) -> None:
    """behaviour 8: whatever was under way ends everywhere: at the API server, at the kubelet, and in the container."""
    cluster = kubectl.cluster
    pids = {name: cluster.pid(name) for name in ("apiserver", "kubelet")}
    before = {name: _sockets(pid) for name, pid in pids.items()}
    started: list[tuple[subprocess.Popen[bytes], Callable[[bytes], bool]]] = [
        (kubectl.start("exec", "-i", "web", "--", "sh", "-c", "echo begun; exec cat"), lambda line: line == b"begun\n"),
        (
            kubectl.start("exec", "web", "--", "sh", "-c", "echo begun; exec head -c 100000000 /dev/zero"),
            lambda line: line == b"begun\n",
        ),
        (kubectl.start("port-forward", "pod/web", ":8080"), lambda line: b"Forwarding" in line),
        (kubectl.start("logs", "-f", "web"), lambda line: line == b"started\n"),
        (kubectl.start("get", "pods", "-w"), lambda line: line.startswith(b"web")),
    ]
    for process, begun in started:
        assert process.stdout
        assert any(begun(line) for line in iter(process.stdout.readline, b"")), process.args
    for process, _ in started:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe
            pipe.close()
    for name, pid in pids.items():
        # the few that wait for a next request are kept by a pool
        until(f"sockets of the {name}", lambda pid=pid, name=name: _sockets(pid) <= before[name] + 4, seconds=40)  # type: ignore[misc]
    left = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done"
    until("the command to end", lambda: b"/dev/zero" not in kubectl("exec", "web", "--", "sh", "-c", left))
