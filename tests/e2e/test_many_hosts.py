"""Two hosts on one machine: pods spread, reach each other unchanged, and survive the loss of a host."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Cluster, run, until

# a lost node is noticed in 18 s instead of 50 (a lease is renewed every 10), and its pods are evicted 2 s later: see the tolerations
FLAGS = ("--flag", "controller.node-monitor-grace-period=18s", "--flag", "controller.node-monitor-period=1s",
         "--flag", "controller.node-eviction-rate=10")  # fmt: skip
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations:
        - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
        - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      containers:
        - name: web
          image: pocketkube/base:1
          command: [python3, -c]
          args:
            - |
              import http.server, os
              class Handler(http.server.BaseHTTPRequestHandler):
                  def do_GET(self):
                      body = f"{os.environ['NODE']} {self.client_address[0]}".encode()
                      self.send_response(200)
                      self.send_header("Content-Length", str(len(body)))
                      self.end_headers()
                      self.wfile.write(body)
                  def log_message(self, *rest):
                      pass
              http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
          env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
LOOK_UP = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, kubectl_program: str) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("hosts")
    made = Cluster("hosts", home, kubectl_program)
    made.pk("up", "--nodes", "2", *FLAGS, timeout=300)
    try:
        archive = run(sys.executable, "-c", "from pocketkube.cluster import images; print(images.base())", env=made.env)
        made.pk("load", archive.strip())
        until("the default service account", lambda: made.kubectl("get", "serviceaccount", "default"))
        made.apply(WEB)
        made.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        yield made
    finally:
        made.pk("down")


def pods(cluster: Cluster, *, ready: bool = True) -> dict[str, tuple[str, str]]:
    """Pod name to (node, IP) of the pods that are not being deleted."""
    found = {}
    for pod in cluster.json("get", "pods", "-l", "app=web")["items"]:
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", ())}
        if "deletionTimestamp" not in pod["metadata"] and (conditions.get("Ready") == "True" or not ready):
            found[pod["metadata"]["name"]] = (pod["spec"]["nodeName"], pod["status"]["podIP"])
    return found


def inside(cluster: Cluster, pod: str, program: str, argument: str) -> str:
    return cluster.kubectl("exec", pod, "--", "python3", "-c", program, argument).strip()


def from_host(url: str) -> str:
    return run(sys.executable, "-c", ASK, url).strip()


def in_namespace(node: str, url: str) -> str:
    return run("nsenter", f"--net=/run/netns/pk-hosts-{node[-1]}", sys.executable, "-c", ASK, url).strip()


def test_pods_spread_over_the_hosts(hosts: Cluster) -> None:
    assert Counter(node for node, _ in pods(hosts).values()) == {"node-1": 2, "node-2": 2}


def test_a_pod_reaches_every_other_with_its_own_address(hosts: Cluster) -> None:
    there = pods(hosts)
    for name, (_, own) in there.items():
        for node, address in there.values():
            if address != own:
                assert inside(hosts, name, ASK, f"http://{address}:8080") == f"{node} {own}"


def test_services_names_and_node_ports_work_from_everywhere(hosts: Cluster) -> None:
    service = hosts.json("get", "service", "web")["spec"]
    address, port = service["clusterIP"], service["ports"][0]["nodePort"]
    for name in {node: pod for pod, (node, _) in pods(hosts).items()}.values():
        assert inside(hosts, name, LOOK_UP, "web.default.svc.cluster.local") == address
        assert {inside(hosts, name, ASK, "http://web").split()[0] for _ in range(16)} == {"node-1", "node-2"}
    nodes = [n["status"]["addresses"][0]["address"] for n in hosts.json("get", "nodes")["items"]]
    for url in (f"http://{address}", *(f"http://{a}:{port}" for a in ("127.0.0.1", *nodes))):
        until(f"an answer from {url}", lambda url=url: from_host(url), seconds=10)  # type: ignore[misc]
        assert {from_host(url).split()[0] for _ in range(16)} == {"node-1", "node-2"}
    assert in_namespace("node-1", f"http://{address}").startswith("node-")


def test_pods_of_a_host_whose_kubelet_is_gone_for_good_move(hosts: Cluster) -> None:
    status = hosts.status()["components"]
    kubelet = next(c["pid"] for c in status if c["name"] == "kubelet" and c["node"] == "node-2")
    os.kill(kubelet, signal.SIGSTOP)  # a killed one would be started again
    try:
        until("NotReady", lambda: "node-2 NotReady" in _nodes(hosts), seconds=45)
        until("all pods on the other host", lambda: _only_on(hosts, "node-1"), seconds=40)
    finally:
        os.kill(kubelet, signal.SIGCONT)
    until("Ready again", lambda: "node-2 Ready" in _nodes(hosts), seconds=30)


def _nodes(cluster: Cluster) -> str:
    return re.sub(" +", " ", cluster.kubectl("get", "nodes", "--no-headers"))


def _only_on(cluster: Cluster, node: str) -> bool:
    return Counter(n for n, _ in pods(cluster).values()) == {node: 4}
