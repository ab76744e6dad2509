"""The verbs that people use, by the upstream kubectl and by ours, against the same cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, run, until

Cli = Callable[..., str]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: pocketkube/base:1
        command: [sh, -c, "echo started; httpd -f -p 8080 -h /tmp"]
        ports: [{containerPort: 8080, name: http}]
"""


@pytest.fixture(params=["upstream", "ours"])
def cli(cluster: Cluster, namespace: str, request: pytest.FixtureRequest) -> Cli:
    """A kubectl, in the test's namespace."""
    program = [cluster.kubectl_program] if request.param == "upstream" else [sys.executable, "-m", "kubectl"]

    def call(*words: str, stdin: str | None = None) -> str:
        return run(*program, "-n", namespace, *words, stdin=stdin, env=cluster.kube_env)

    return call


@pytest.fixture
def web(cli: Cli) -> Cli:
    cli("apply", "-f", "-", stdin=WEB)
    cli("rollout", "status", "deployment/web", "--timeout=60s")
    return cli


def test_looking_at_the_server(cli: Cli) -> None:
    assert "Server Version: v1.37" in cli("version")
    assert "control plane" in cli("cluster-info")
    assert "deployments" in cli("api-resources") and "apps/v1" in cli("api-versions")
    assert "containers <[]Container>" in cli("explain", "pod.spec.containers").replace("FIELD: ", "")


def test_get_in_all_forms(web: Cli) -> None:
    assert web("get", "deploy").split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert "pocketkube/base:1" in web("get", "deploy", "web", "-o", "wide")
    assert json.loads(web("get", "deploy", "web", "-o", "json"))["kind"] == "Deployment"
    assert "kind: Deployment" in web("get", "deploy", "web", "-o", "yaml")
    assert web("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "1"
    assert web("get", "deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas").split() == [
        "N",
        "R",
        "web",
        "1",
    ]
    assert web("get", "deploy", "-o", "name").strip() == "deployment.apps/web"
    assert "web-" in web("get", "pods", "-l", "app=web") and web("get", "pods", "-l", "app=other") == ""
    assert "web-" in web("get", "pods", "--field-selector", "status.phase=Running")
    assert "kube-system" in web("get", "services", "-A")


def test_metadata_and_patches(web: Cli) -> None:
    web("label", "deployment", "web", "tier=front")
    web("annotate", "deployment", "web", "note=hello")
    web("patch", "deployment", "web", "--type", "merge", "-p", '{"spec":{"revisionHistoryLimit":3}}')
    web(
        "patch",
        "deployment",
        "web",
        "--type",
        "json",
        "-p",
        '[{"op":"replace","path":"/spec/progressDeadlineSeconds","value":300}]',
    )
    web(
        "patch",
        "deployment",
        "web",
        "-p",
        '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"1"}]}]}}}}',
    )
    found = json.loads(web("get", "deployment", "web", "-o", "json"))
    assert (found["metadata"]["labels"]["tier"], found["metadata"]["annotations"]["note"]) == ("front", "hello")
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert found["spec"]["revisionHistoryLimit"] == 3
    assert container["env"] == [{"name": "A", "value": "1"}] and container["image"] == "pocketkube/base:1"
    web("label", "deployment", "web", "tier-")
    assert "tier" not in json.loads(web("get", "deployment", "web", "-o", "json"))["metadata"]["labels"]


def test_rollouts(web: Cli) -> None:
    web("set", "env", "deployment/web", "B=2")
    assert "successfully rolled out" in web("rollout", "status", "deployment/web", "--timeout=60s")
    history = web("rollout", "history", "deployment/web")
    assert "1" in history.split() and "2" in history.split()
    web("rollout", "undo", "deployment/web")
    web("rollout", "restart", "deployment/web")
    web("rollout", "status", "deployment/web", "--timeout=60s")
    web("scale", "deployment/web", "--replicas=2")
    web("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=60s")
    assert "2 desired | 2 updated | 2 total | 2 available" in web("describe", "deployment", "web")


def test_containers(web: Cli, tmp_path: Path) -> None:
    pod = web("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
    assert web("exec", pod, "--", "echo", "hello") == "hello\n"
    assert web("exec", "-i", pod, "--", "cat", stdin="over stdin") == "over stdin"
    assert web("logs", pod) == "started\n" and web("logs", "deploy/web", "--tail=1") == "started\n"
    (tmp_path / "file").write_text("carried")
    web("cp", str(tmp_path / "file"), f"{pod}:/tmp/there")
    web("cp", f"{pod}:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "carried"


def test_exec_gives_the_commands_exit_code(cluster: Cluster, web: Cli, namespace: str) -> None:
    words = ["-n", namespace, "exec", "deploy/web", "--", "sh", "-c", "exit 7"]
    for program in ([cluster.kubectl_program], [sys.executable, "-m", "kubectl"]):
        assert subprocess.run([*program, *words], env=cluster.kube_env, capture_output=True).returncode == 7


def test_a_terminal_is_a_terminal(cluster: Cluster, web: Cli, namespace: str) -> None:
    import pty

    child, terminal = pty.openpty()
    process = subprocess.Popen(
        [cluster.kubectl_program, "-n", namespace, "exec", "-it", "deploy/web", "--", "sh", "-c", "test -t 0 && stty size && echo yes"],
        env=cluster.kube_env, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True,
    )  # fmt: skip
    os.close(terminal)
    out = b""
    try:
        while chunk := os.read(child, 1024):
            out += chunk
    except OSError:
        pass  # the other side closed: that is how a terminal ends
    assert process.wait(30) == 0 and b"yes" in out, out


def test_services_and_single_pods(web: Cli) -> None:
    web("expose", "deployment", "web", "--port=80", "--target-port=http")
    assert json.loads(web("get", "service", "web", "-o", "json"))["spec"]["selector"] == {"app": "web"}
    web("run", "one", "--image=pocketkube/base:1", "--restart=Never", "--", "echo", "done")
    web("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one", "--timeout=60s")
    assert web("logs", "one") == "done\n"
    assert "Completed" in web("get", "pod", "one")
    web("delete", "pod", "one")
    assert "one" not in web("get", "pods", "-o", "name")


def test_objects_from_words_and_diff(cli: Cli) -> None:
    cli("create", "configmap", "c", "--from-literal=a=b")
    cli("create", "secret", "generic", "s", "--from-literal=k=v")
    cli("create", "serviceaccount", "robot")
    assert cli("create", "token", "robot").count(".") == 2
    cli("create", "role", "reader", "--verb=get,list", "--resource=pods")
    cli("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=x:y")
    cli("apply", "-f", "-", stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"x":"1"}}')
    out = cli(
        "apply", "-f", "-", stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"x":"1"}}'
    )
    assert "unchanged" in out
    cli(
        "apply",
        "--server-side",
        "-f",
        "-",
        stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"e"},"data":{"x":"1"}}',
    )
    cli("delete", "configmap", "c", "d", "e")
    assert cli("auth", "can-i", "delete", "pods").strip() == "yes"


def test_edit(cluster: Cluster, namespace: str, cli: Cli) -> None:
    cli("create", "configmap", "c", "--from-literal=a=before")
    os.environ["KUBE_EDITOR"] = "sed -i s/before/after/"
    try:
        cli("edit", "configmap", "c")
    finally:
        del os.environ["KUBE_EDITOR"]
    assert cli("get", "configmap", "c", "-o", "jsonpath={.data.a}") == "after"


def test_nodes(cluster: Cluster, cli: Cli) -> None:
    node = cluster.status()["nodes"][0]["name"]
    cli("cordon", node)
    assert "SchedulingDisabled" in cli("get", "nodes")
    cli("uncordon", node)
    cli("taint", "nodes", node, "k=v:NoSchedule")
    assert "k=v:NoSchedule" in cli("describe", "node", node)
    cli("taint", "nodes", node, "k:NoSchedule-")
    assert "Ready" in cli("get", "nodes")


def test_watching_sees_changes_as_they_happen(cluster: Cluster, namespace: str) -> None:
    process = subprocess.Popen(
        [cluster.kubectl_program, "-n", namespace, "get", "configmaps", "-w", "-o", "name"],
        env=cluster.kube_env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        until("the first line", lambda: "kube-root-ca" in (process.stdout.readline() if process.stdout else ""))
        cluster.kubectl("-n", namespace, "create", "configmap", "seen")
        assert process.stdout.readline().strip() == "configmap/seen"
    finally:
        process.kill()
        process.communicate()


def test_events_tell_the_story(web: Cli) -> None:
    text = web("events")
    for reason in ("ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Started"):
        assert reason in text, text
