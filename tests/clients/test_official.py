"""The official Python client: what its users do, against our API server."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from tests.clients.manifests import config_map, definition, deployment

Obj = dict[str, Any]


@pytest.fixture
def api(kubeconfig: str) -> client.ApiClient:
    return config.new_client_from_config(kubeconfig)


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)


def names(events: list[Obj]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"].metadata.name) for event in events]


def test_objects_are_written_read_listed_and_deleted(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("a", k="v"))
    found = core.read_namespaced_config_map("a", namespace)
    found.data["k"] = "w"
    core.replace_namespaced_config_map("a", namespace, found)
    core.patch_namespaced_config_map("a", namespace, {"data": {"z": "1"}})
    core.patch_namespaced_config_map("a", namespace, [{"op": "remove", "path": "/data/z"}])
    listed = core.list_namespaced_config_map(namespace, label_selector="of=test").items
    assert [(item.metadata.name, item.data) for item in listed] == [("a", {"k": "w"})]
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("a", namespace, found)
    assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (409, "Conflict")
    core.delete_collection_namespaced_config_map(namespace)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("a", namespace)
    assert gone.value.status == 404


def test_ports_of_a_service_merge_by_their_number(core: client.CoreV1Api, namespace: str) -> None:
    ports = [{"name": "one", "port": 80, "targetPort": 80}]
    core.create_namespaced_service(namespace, {"metadata": {"name": "s"}, "spec": {"ports": ports}})
    core.patch_namespaced_service("s", namespace, {"spec": {"ports": [{"name": "two", "port": 8080}]}})
    found = core.read_namespaced_service("s", namespace)
    assert {port.port for port in found.spec.ports} == {80, 8080}
    assert found.spec.cluster_ip.startswith("10.")


def test_a_deployment_scales_is_applied_and_checked(api: client.ApiClient, namespace: str) -> None:
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment("d"))
    scale = apps.read_namespaced_deployment_scale("d", namespace)
    scale.spec.replicas = 2
    apps.replace_namespaced_deployment_scale("d", namespace, scale)
    applied = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {"x": "y"}}}
    found = apps.patch_namespaced_deployment(
        "d", namespace, applied, field_manager="m", _content_type="application/apply-patch+yaml"
    )
    assert (found.spec.replicas, found.metadata.labels) == (2, {"x": "y"})
    wrong = deployment("wrong")
    wrong["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    with pytest.raises(ApiException) as refused:
        apps.create_namespaced_deployment(namespace, wrong)
    assert refused.value.status == 422


def test_a_watch_goes_on_from_a_list(core: client.CoreV1Api, namespace: str) -> None:
    since = core.list_namespaced_config_map(namespace).metadata.resource_version

    def change() -> None:
        for name in ("a", "b"):
            core.create_namespaced_config_map(namespace, config_map(name))
        core.delete_namespaced_config_map("a", namespace)

    writer, watcher, seen = threading.Thread(target=change), watch.Watch(), []
    writer.start()
    for event in watcher.stream(core.list_namespaced_config_map, namespace, resource_version=since, timeout_seconds=20):
        seen.append(event)
        if len(seen) == 3:
            watcher.stop()
    writer.join()
    assert names(seen) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_list_comes_in_pages(core: client.CoreV1Api, namespace: str) -> None:
    for number in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"c{number}"))
    found: list[str] = []
    token: str | None = None
    while token != "":
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token)
        found += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert found == [f"c{number}" for number in range(5)]


def test_the_dynamic_client_takes_a_new_kind(api: client.ApiClient, namespace: str) -> None:
    found = dynamic.DynamicClient(api)
    found.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition").create(
        body=definition("foos", "Foo")
    )
    deadline = time.monotonic() + 20
    while True:  # its own cache of what there is holds the old answer until it is told
        try:
            foos = found.resources.get(api_version="example.com/v1", kind="Foo")
            break
        except ResourceNotFoundError:
            assert time.monotonic() < deadline
            found.resources.invalidate_cache()
            time.sleep(0.05)
    body = {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "f"}, "spec": {"size": 1}}
    foos.create(namespace=namespace, body=body)
    with pytest.raises(ConflictError):
        foos.create(namespace=namespace, body=body)
    merge = "application/merge-patch+json"
    foos.patch(namespace=namespace, name="f", body={"spec": {"size": 2}}, content_type=merge)
    foos.status.patch(namespace=namespace, name="f", body={"status": {"ok": True}}, content_type=merge)
    applied = {**body, "spec": {"size": 3}}
    with pytest.raises(ConflictError):
        foos.server_side_apply(namespace=namespace, body=applied, field_manager="me")
    foos.server_side_apply(namespace=namespace, body=applied, field_manager="me", force_conflicts=True)
    got = foos.get(namespace=namespace, name="f").to_dict()
    assert (got["spec"], got["status"]) == ({"size": 3}, {"ok": True})
    assert [event["type"] for event in foos.watch(namespace=namespace, timeout=1)] == ["ADDED"]
    foos.delete(namespace=namespace, name="f")
    with pytest.raises(NotFoundError):
        foos.get(namespace=namespace, name="f")


def test_a_file_of_many_objects_is_made(api: client.ApiClient, namespace: str, tmp_path: Path) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    objects = [{"apiVersion": "v1", "kind": "List", "items": [config_map("a"), config_map("b")]}, role, deployment("d")]
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    utils.create_from_yaml(api, str(path), namespace=namespace)
    with pytest.raises(utils.FailToCreateError) as again:
        utils.create_from_yaml(api, str(path), namespace=namespace)
    assert {refusal.status for refusal in again.value.api_exceptions} == {409}
    assert len(again.value.api_exceptions) == 4


def test_of_two_candidates_one_leads(kubeconfig: str, namespace: str) -> None:
    config.load_kube_config(kubeconfig)  # its locks use the process's own settings

    def candidate(name: str) -> leaderelection.LeaderElection:
        return leaderelection.LeaderElection(
            electionconfig.Config(
                LeaseLock("lead", namespace, name),
                lease_duration=15, renew_deadline=10, retry_period=1,
                onstarted_leading=lambda: None, onstopped_leading=lambda: None,
            )
        )  # fmt: skip

    first, second = candidate("one"), candidate("two")
    assert [first.try_acquire_or_renew(), second.try_acquire_or_renew(), first.try_acquire_or_renew()] == [
        True,
        False,
        True,
    ]
    assert client.CoordinationV1Api().read_namespaced_lease("lead", namespace).spec.holder_identity == "one"


def test_what_one_may_do_and_who_one_is(api: client.ApiClient, core: client.CoreV1Api, namespace: str) -> None:
    asked = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": namespace}}}
    assert client.AuthorizationV1Api(api).create_self_subject_access_review(asked).status.allowed
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "robot"}})
    token = core.create_namespaced_service_account_token(
        "robot", namespace, {"spec": {"expirationSeconds": 600}}
    ).status.token
    review = client.AuthenticationV1Api(api).create_token_review({"spec": {"token": token}})
    assert review.status.user.username == f"system:serviceaccount:{namespace}:robot"
    assert client.VersionApi(api).get_code().git_version.startswith("v1.37")


def test_an_informer_follows_what_happens(core: client.CoreV1Api, namespace: str) -> None:
    """Each change is told of and is in its cache; a resynchronization tells of all again."""
    from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

    told = {kind: threading.Event() for kind in (ADDED, MODIFIED, DELETED)}
    informer = SharedInformer(
        list_func=core.list_namespaced_config_map, namespace=namespace, label_selector="of=test", resync_period=2
    )
    for kind, event in told.items():
        informer.add_event_handler(kind, lambda _, event=event: event.set())
    informer.start()
    try:
        core.create_namespaced_config_map(namespace, config_map("a", k="v"))
        assert told[ADDED].wait(20)
        core.patch_namespaced_config_map("a", namespace, {"data": {"k": "w"}})
        assert told[MODIFIED].wait(20)
        told[MODIFIED].clear()
        assert told[MODIFIED].wait(20), "no resynchronization"
        assert informer.cache.get_by_key(f"{namespace}/a").data == {"k": "w"}
        core.delete_namespaced_config_map("a", namespace)
        assert told[DELETED].wait(20) and informer.cache.get_by_key(f"{namespace}/a") is None
    finally:
        informer.stop()
