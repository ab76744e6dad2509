"""kubernetes_asyncio, lightkube and kr8s: each goes once around create, read, change, apply, watch, wait, delete."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import kr8s
import kubernetes_asyncio
import kubernetes_asyncio.watch
import lightkube
import pytest
from kr8s import objects as kr8s_objects
from kubernetes_asyncio.dynamic import DynamicClient
from lightkube.config.kubeconfig import KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from tests.apiserver.test_process import Process
from tests.clients.manifests import config_map, definition, deployment

Obj = dict[str, Any]


def available(server: Process, namespace: str, name: str) -> None:
    """Report a deployment as available, as its controller would."""
    status = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    with server.client() as client:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status"
        headers = {"content-type": "application/merge-patch+json"}
        assert client.patch(path, content=json.dumps(status), headers=headers).status_code == 200


async def test_kubernetes_asyncio(kubeconfig: str, namespace: str) -> None:
    await kubernetes_asyncio.config.load_kube_config(config_file=kubeconfig)
    async with kubernetes_asyncio.client.ApiClient() as api:
        core = kubernetes_asyncio.client.CoreV1Api(api)
        for name in "abc":
            await core.create_namespaced_config_map(namespace, config_map(name))
        await core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
        applied = await core.patch_namespaced_config_map(
            "a", namespace, config_map("a", y="2"),
            field_manager="m", force=True, _content_type="application/apply-patch+yaml",
        )  # fmt: skip
        assert applied.data == {"x": "1", "y": "2"}
        seen: list[str] = []
        async with kubernetes_asyncio.watch.Watch().stream(core.list_namespaced_config_map, namespace) as events:
            async for event in events:
                seen.append(event["object"].metadata.name)
                if len(seen) == 3:
                    break
        assert sorted(seen) == ["a", "b", "c"]
        with pytest.raises(kubernetes_asyncio.client.ApiException) as missing:
            await core.read_namespaced_config_map("zz", namespace)
        assert missing.value.status == 404
        maps = await (await DynamicClient(api)).resources.get(api_version="v1", kind="ConfigMap")
        assert [item.metadata.name for item in (await maps.get(namespace=namespace)).items] == ["a", "b", "c"]
        assert (await core.delete_namespaced_config_map("a", namespace)).status == "Success"


async def test_lightkube(server: Process, kubeconfig: str, namespace: str) -> None:
    client = lightkube.AsyncClient(KubeConfig.from_file(kubeconfig), namespace=namespace, field_manager="test")
    made = await client.create(ConfigMap.from_dict(config_map("a", k="v")))
    assert made.data is not None
    made.data["z"] = "1"
    await client.replace(made)
    await client.patch(ConfigMap, "a", {"data": {"k": None}}, patch_type=PatchType.MERGE)
    meta = ObjectMeta(name="a", namespace=namespace)
    assert (await client.apply(ConfigMap(metadata=meta, data={"q": "2"}))).data == {"z": "1", "q": "2"}
    await client.apply(Deployment.from_dict({**deployment("d"), "metadata": {"name": "d", "namespace": namespace}}))
    scale = await client.get(Deployment.Scale, "d")
    assert scale.spec is not None
    scale.spec.replicas = 3
    await client.replace(scale, "d")
    waited = asyncio.create_task(client.wait(Deployment, "d", for_conditions=["Available"]))
    await asyncio.to_thread(available, server, namespace, "d")
    found = await asyncio.wait_for(waited, 20)
    assert found.spec is not None and found.spec.replicas == 3
    assert [item.metadata.name async for item in client.list(ConfigMap, labels={"of": "test"}, chunk_size=1)
            if item.metadata] == ["a"]  # fmt: skip
    await client.create(CustomResourceDefinition.from_dict(definition("bars", "Bar")))
    await client.wait(CustomResourceDefinition, "bars.example.com", for_conditions=["Established"])
    bar = create_namespaced_resource("example.com", "v1", "Bar", "bars")
    await client.create(bar(metadata=ObjectMeta(name="b"), spec={"size": 1}))
    assert (await client.get(bar, "b"))["spec"] == {"size": 1}
    await client.delete(ConfigMap, "a")
    with pytest.raises(lightkube.ApiError) as missing:
        await client.get(ConfigMap, "a")
    assert missing.value.status.reason == "NotFound"


def test_kr8s(server: Process, kubeconfig: str, namespace: str) -> None:
    api = kr8s.api(kubeconfig=kubeconfig)
    assert api.whoami() == "kubernetes-admin"
    kept = kr8s_objects.ConfigMap(config_map("a", k="v"), namespace=namespace, api=api)
    kept.create()
    kept.patch({"data": {"z": "1"}})
    kept.label({"l": "2"})
    kept.annotate(note="n")
    kept.refresh()
    assert (dict(kept.data), kept.labels["l"], kept.annotations["note"]) == ({"k": "v", "z": "1"}, "2", "n")
    found = list(kr8s.get("configmaps", namespace=namespace, label_selector={"l": "2"}, api=api))
    assert [item.name for item in found] == ["a"]
    made = kr8s_objects.Deployment(deployment("d"), namespace=namespace, api=api)
    made.create()
    made.scale(0)
    report = threading.Thread(target=available, args=(server, namespace, "d"))
    report.start()
    made.wait("condition=Available", timeout=20)
    report.join()
    events = kr8s.watch("configmaps", namespace=namespace, api=api)
    assert next(iter(events))[0] == "ADDED"
    made.delete()
    made.wait("delete", timeout=20)
    kept.delete()
    assert not kept.exists()
