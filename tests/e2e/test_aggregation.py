"""An extension server in a pod: kubectl sees its kinds, and a cluster goes on when it is gone."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import certificates
from tests.e2e.conftest import Cluster, run, until

SERVER = """
import json, ssl, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASE = "/apis/gadgets.example.com/v1"
KIND = {"name": "gadgets", "singularName": "gadget", "namespaced": True, "kind": "Gadget", "verbs": ["delete", "get", "list"]}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        names = [v for part in self.connection.getpeercert().get("subject", ()) for k, v in part if k == "commonName"]
        if names != ["front-proxy-client"]:
            return self.answer(401, {"kind": "Status", "apiVersion": "v1", "code": 401})
        if self.path.split("?")[0] == BASE:
            group = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "gadgets.example.com/v1", "resources": [KIND]}
            return self.answer(200, group)
        if "/gadgets" in self.path:
            metadata = {"name": self.headers["X-Remote-User"], "namespace": "default"}
            gadget = {"kind": "Gadget", "apiVersion": "gadgets.example.com/v1", "metadata": metadata}
            gadget["groups"] = self.headers.get_all("X-Remote-Group")
            found = {"kind": "GadgetList", "apiVersion": "gadgets.example.com/v1", "metadata": {}, "items": [gadget]}
            return self.answer(200, found)
        self.answer(404, {"kind": "Status", "apiVersion": "v1", "code": 404})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/files/server.crt", "/files/server.key")
context.load_verify_locations("/proxy/requestheader-client-ca-file")
context.verify_mode = ssl.CERT_REQUIRED
server = ThreadingHTTPServer(("", 8443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: extension, labels: {app: extension}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: server
    image: pocketkube/base:1
    command: [python3, /files/server.py]
    volumeMounts: [{name: files, mountPath: /files}, {name: proxy, mountPath: /proxy}]
    readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
  volumes:
  - {name: files, configMap: {name: extension}}
  - {name: proxy, configMap: {name: proxy}}
---
apiVersion: v1
kind: Service
metadata: {name: extension}
spec: {selector: {app: extension}, ports: [{port: 443, targetPort: 8443}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.gadgets.example.com}
spec:
  group: gadgets.example.com
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 10
  service: {namespace: default, name: extension}
  caBundle: CA
"""


@pytest.fixture(scope="module")
def extension(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("extension")
    pki = certificates.make(folder)
    (folder / "server.py").write_text(SERVER)
    files = {"server.py": folder / "server.py", "server.crt": pki.server, "server.key": pki.server_key}
    cluster.kubectl("create", "configmap", "extension", *(f"--from-file={k}={v}" for k, v in files.items()))
    published = cluster.json("-n", "kube-system", "get", "configmap", "extension-apiserver-authentication")["data"]
    assert json.loads(published["requestheader-allowed-names"]) == ["front-proxy-client"]
    ca = "requestheader-client-ca-file"
    cluster.kubectl("create", "configmap", "proxy", f"--from-literal={ca}={published[ca]}")
    cluster.apply(MANIFEST.replace("CA", base64.b64encode(pki.ca.read_bytes()).decode()))
    cluster.kubectl("wait", "--for=condition=Available", "apiservice/v1.gadgets.example.com", "--timeout=60s")
    yield cluster
    cluster.kubectl("delete", "apiservice", "v1.gadgets.example.com", "--ignore-not-found")
    for thing in ("pod/extension", "service/extension", "configmap/extension", "configmap/proxy"):
        cluster.kubectl("delete", thing, "--ignore-not-found", "--wait=false")


def test_its_kinds_are_kinds_like_any_other(extension: Cluster) -> None:
    assert "gadgets.example.com/v1" in extension.kubectl("api-versions")
    assert "Gadget" in extension.kubectl("api-resources", "--api-group=gadgets.example.com")
    (gadget,) = extension.json("get", "gadgets")["items"]
    assert gadget["metadata"]["name"] == "kubernetes-admin"
    assert "system:authenticated" in gadget["groups"]
    columns = [line.split()[:3] for line in extension.kubectl("get", "apiservices").splitlines()]
    assert ["v1.gadgets.example.com", "default/extension", "True"] in columns
    assert ["v1.apps", "Local", "True"] in columns


def test_the_cluster_goes_on_without_it(extension: Cluster) -> None:
    extension.kubectl("delete", "pod", "extension", "--now")
    until(
        "the condition", lambda: "MissingEndpoints" in extension.kubectl("get", "apiservice", "v1.gadgets.example.com")
    )
    assert "unable to handle the request" in extension.kubectl_fails("get", "gadgets")
    extension.kubectl("create", "namespace", "doomed")
    extension.kubectl("-n", "doomed", "create", "configmap", "c")
    extension.kubectl("delete", "namespace", "doomed", "--wait=false")

    def condition() -> bool:
        found = extension.json("get", "namespace", "doomed")["status"].get("conditions") or []
        return any(c["type"] == "NamespaceDeletionDiscoveryFailure" and c["status"] == "True" for c in found)

    until("what is in the way", condition)
    until("the rest to go", lambda: extension.json("-n", "doomed", "get", "configmaps")["items"] == [])
    extension.kubectl("create", "deployment", "owner", "--image=pocketkube/base:1", "--replicas=0")
    until("its replica set", lambda: extension.json("get", "replicasets", "-l", "app=owner")["items"])
    extension.kubectl("delete", "deployment", "owner")
    until("the garbage", lambda: not extension.json("get", "replicasets", "-l", "app=owner")["items"])
    extension.kubectl("delete", "apiservice", "v1.gadgets.example.com")
    run(extension.kubectl_program, "wait", "--for=delete", "namespace/doomed", "--timeout=60s", env=extension.kube_env)
