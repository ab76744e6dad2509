"""What others' programs do with running pods: Helm's waits, hooks and tests; streams of the Python clients."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Cluster, run

CHART = str(ROOT / "tests/clients/chart")
HELM = shutil.which("helm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: pocketkube/base:1
    command: [sh, -c, "echo started; mkdir /tmp/www; echo hello > /tmp/www/index.html; exec python3 -m http.server -d /tmp/www 8080"]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"""

pytestmark = pytest.mark.filterwarnings("default")  # of the clients' own making


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a client leaves open is told of within its own test, which forgives it, and not within the next."""
    yield
    gc.collect()


@pytest.mark.skipif(HELM is None, reason="helm is not installed")
def test_helm_waits_for_pods_hooks_and_tests(cluster: Cluster, namespace: str) -> None:
    def helm(*words: str) -> str:
        assert HELM is not None
        return run(HELM, "-n", namespace, *words, env=cluster.kube_env)

    helm("install", "shop", CHART, "--set", "replicas=2", "--wait", "--timeout", "90s")
    assert cluster.json("-n", namespace, "get", "deployment", "shop")["status"]["readyReplicas"] == 2
    assert cluster.json("-n", namespace, "get", "jobs")["items"] == []  # the hook ran, and is gone
    tested = helm("test", "shop", "--logs", "--timeout", "60s")
    assert "Succeeded" in tested and "hello" in tested
    helm("upgrade", "shop", CHART, "--set", "replicas=1,greeting=hi", "--wait", "--timeout", "90s")
    assert cluster.kubectl("-n", namespace, "exec", "deploy/shop", "--", "sh", "-c", "echo $GREETING") == "hi\n"
    wrong = ["--set", "replicas=1,image=pocketkube/nothing:1", "--atomic", "--timeout", "8s"]
    with pytest.raises(AssertionError, match="rolled back due to atomic"):
        helm("upgrade", "shop", CHART, *wrong)
    assert cluster.kubectl("-n", namespace, "exec", "deploy/shop", "--", "sh", "-c", "echo $GREETING") == "hi\n"
    helm("uninstall", "shop", "--wait", "--timeout", "60s")
    assert cluster.json("-n", namespace, "get", "deployments,services")["items"] == []


@pytest.fixture
def pod(cluster: Cluster, namespace: str) -> str:
    """The namespace of a ready pod `web`."""
    cluster.apply(POD, "-n", namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    return namespace


def test_kr8s_enters_reads_and_forwards(cluster: Cluster, pod: str) -> None:
    import kr8s
    from kr8s.objects import Pod

    web = Pod.get("web", namespace=pod, api=kr8s.api(kubeconfig=cluster.kube_env["KUBECONFIG"]))
    assert web.ready()
    assert web.exec(["cat", "/tmp/www/index.html"]).stdout == b"hello\n"
    assert next(web.logs()) == "started"
    with web.portforward(remote_port=8080, local_port=0) as port:
        with socket.create_connection(("127.0.0.1", port), 10) as peer:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := peer.recv(4096):
                answer += piece
        assert answer.endswith(b"hello\n")
    web.delete()
    web.wait("delete", timeout=30)


async def test_kubernetes_asyncio_enters_and_reads(cluster: Cluster, pod: str) -> None:
    from kubernetes_asyncio import client, config
    from kubernetes_asyncio.stream import WsApiClient

    await config.load_kube_config(config_file=cluster.kube_env["KUBECONFIG"])
    async with WsApiClient() as streams, client.ApiClient() as api:
        said = await client.CoreV1Api(streams).connect_get_namespaced_pod_exec(
            "web", pod, command=["sh", "-c", "echo in; echo out >&2"],
            stdin=False, stdout=True, stderr=True, tty=False,
        )  # fmt: skip
        assert sorted(said.split()) == ["in", "out"]
        assert (await client.CoreV1Api(api).read_namespaced_pod_log("web", pod)).startswith("started\n")


async def test_lightkube_reads_and_waits(cluster: Cluster, pod: str) -> None:
    import lightkube
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.resources.core_v1 import Pod

    found = lightkube.AsyncClient(KubeConfig.from_file(cluster.kube_env["KUBECONFIG"]), namespace=pod)
    assert await anext(found.log("web").__aiter__()) == "started\n"
    assert (await asyncio.wait_for(found.wait(Pod, "web", for_conditions=["Ready"]), 30)).metadata is not None
