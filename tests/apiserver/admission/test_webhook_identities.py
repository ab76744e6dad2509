"""Who the server is towards webhooks: users of a kubeconfig, by the hosts that they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver import admission
from apiserver.admission.webhooks import identities
from apiserver.admission.webhooks.identities import KINDS
from apiserver.configfile import BadFile
from apiserver.memory_cluster import MemoryCluster
from tests import certificates
from tests.apiserver.admission.conftest import SCHEME, Obj, pod, request
from tests.apiserver.admission.test_webhooks import configure
from tests.apiserver.admission.webhook_server import WebhookServer, allow

V1 = "apiserver.config.k8s.io/v1"


def configured(folder: Path, users: Obj, **more: Any) -> tuple[str, Obj]:
    named = [{"name": name, "user": user} for name, user in users.items()]
    (folder / "kubeconfig").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "users": named, **more}))
    return "file", {"apiVersion": V1, "kind": KINDS[V1], "kubeConfigFile": str(folder / "kubeconfig")}


USERS = ("localhost:8443", "localhost", "hook.system.svc", "*.example.com", "*.com:8443", "*")


@pytest.mark.parametrize(
    ("host", "user"),
    [
        pytest.param("localhost:8443", "localhost:8443", id="with port"),
        pytest.param("localhost:443", "localhost", id="port 443 needs no name"),
        pytest.param("localhost", "localhost", id="no port is 443"),
        pytest.param("localhost:1", "*", id="another port"),
        pytest.param("hook.system.svc:443", "hook.system.svc", id="service"),
        pytest.param("a.example.com:443", "*.example.com", id="domain"),
        pytest.param("a.b.example.com", "*.example.com", id="deep in a domain"),
        pytest.param("example.com", "*", id="the domain itself"),
        pytest.param("a.example.com:8443", "*.com:8443", id="domain with port"),
        pytest.param("[::1]:443", "*", id="IPv6"),
    ],
)
def test_who_for_which_host(tmp_path: Path, host: str, user: str) -> None:
    found = identities.load(configured(tmp_path, {name: {"token": name} for name in USERS})).towards(host)
    assert found is not None and found.name == user


@pytest.mark.parametrize(
    ("current", "user"), [pytest.param("c", "me", id="current"), pytest.param("", None, id="none")]
)
def test_for_all_other_hosts(tmp_path: Path, current: str, user: str | None) -> None:
    contexts = [{"name": "c", "context": {"user": "me"}}]
    given = configured(tmp_path, {"me": {"token": "t"}}, contexts=contexts, **{"current-context": current})
    found = identities.load(given).towards("somewhere")
    assert (found.name if found is not None else None) == user


def test_nobody_without_a_configuration() -> None:
    assert identities.load(None).towards("localhost") is None


def admission_file(folder: Path, configuration: Obj) -> str:
    names = ("ValidatingAdmissionWebhook", "MutatingAdmissionWebhook")
    plugins = [{"name": name, "configuration": configuration} for name in names]
    config = {"apiVersion": V1, "kind": "AdmissionConfiguration", "plugins": plugins}
    (folder / "admission.yaml").write_text(yaml.safe_dump(config))
    return str(folder / "admission.yaml")


@pytest.mark.parametrize(
    ("user", "caller"),
    [
        pytest.param({"token": "secret"}, ("Bearer secret", ""), id="token"),
        pytest.param({"tokenFile": "token"}, ("Bearer filed", ""), id="token file"),
        pytest.param({"username": "ann", "password": "pw"}, ("Basic YW5uOnB3", ""), id="basic"),
        pytest.param(
            {"client-certificate": "client.crt", "client-key": "client.key"}, ("", "client"), id="certificate"
        ),
        pytest.param({}, ("", ""), id="nothing"),
    ],
)
@pytest.mark.parametrize("kind", ["mutating", "validating"])
async def test_what_a_webhook_is_shown(
    tmp_path: Path, cluster: MemoryCluster, kind: str, user: Obj, caller: tuple[str, str]
) -> None:
    pki = certificates.make(tmp_path)
    (tmp_path / "client.crt").write_bytes(pki.client.read_bytes())
    (tmp_path / "client.key").write_bytes(pki.client_key.read_bytes())
    (tmp_path / "token").write_text("filed\n")
    async with WebhookServer(tmp_path, "hook.system.svc", pki.ca).serving() as server:
        service = {"clusterIP": "127.0.0.1", "ports": [{"port": server.port}]}
        cluster.put("", "services", {"metadata": {"name": "hook", "namespace": "system"}, "spec": service})
        server.replies["/a"] = allow()
        configure(cluster, server, kind, {"name": "a"})
        _, config = configured(tmp_path, {f"hook.system.svc:{server.port}": user, "*": {"token": "wrong"}})
        chain = admission.build(cluster, kind_of=SCHEME.by_gvk, config_file=admission_file(tmp_path, config))
        asked = request("CREATE", "pods", pod())
        await chain.mutate(asked)
        await chain.validate(asked)
        await chain.close()
        assert server.callers == [caller]


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        pytest.param({"apiVersion": V1, "kind": "Other"}, "a WebhookAdmissionConfiguration of", id="kind"),
        pytest.param({"kubeConfigFile": "kubeconfig"}, "must be an absolute file path", id="relative"),
        pytest.param({}, "must be an absolute file path", id="none"),
        pytest.param({"kubeConfigFile": "/nowhere/at/all"}, "no such kubeconfig: /nowhere/at/all", id="no file"),
        pytest.param({"kubeconfig": "/x"}, 'unknown field "kubeconfig"', id="misspelt"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, configuration: Obj, words: str) -> None:
    whole = {"apiVersion": V1, "kind": KINDS[V1], **configuration}
    with pytest.raises(BadFile, match=words):
        admission.build(MemoryCluster(), config_file=admission_file(tmp_path, whole))
