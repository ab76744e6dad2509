"""What /metrics shows, and the texts of several processes as one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from apiserver import gathering, paths
from apiserver.gathering import merge
from apiserver.storage.etcd.timing import resource_of, timings
from tests.apiserver.server import Client

MAPS = "/api/v1/namespaces/default/configmaps"


async def samples(client: Client) -> dict[str, float]:
    """By name and sorted labels, empty ones left out."""
    answer = await client("GET", "/metrics")
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if v and k != "component")
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_requests(client: Client) -> None:
    created = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    await client.ok("POST", MAPS, created)
    await client.ok("GET", f"{MAPS}/c")
    await client.acting_as("nobody")("GET", MAPS)
    async with client.watch(f"{MAPS}?watch=1") as watch:
        await watch.next()
        found = await samples(client)
    one = "group=,resource=configmaps,scope=resource,verb=GET,version=v1".replace("group=,", "")
    assert found[f"apiserver_request_total{{code=200,{one}}}"] == 1
    assert found[f"apiserver_request_duration_seconds_count{{{one}}}"] == 1
    assert found[f"apiserver_request_sli_duration_seconds_count{{{one}}}"] == 1
    assert found[f"apiserver_response_sizes_count{{{one}}}"] == 1
    assert found[f"apiserver_response_sizes_sum{{{one}}}"] > 100
    assert found["authentication_attempts_total{result=failure}"] == 1
    assert found["apiserver_longrunning_requests{resource=configmaps,scope=namespace,verb=WATCH,version=v1}"] == 1
    assert found["apiserver_watch_events_total{kind=ConfigMap,resource=configmaps,version=v1}"] >= 1
    assert found["apiserver_init_events_total{resource=configmaps}"] >= 1
    assert found["apiserver_watch_cache_events_received_total{resource=configmaps}"] >= 1
    assert found["apiserver_storage_objects{resource=namespaces}"] == 4
    assert found["apiserver_resource_objects{resource=namespaces}"] == 4
    step = "operation=CREATE,rejected=false,type=admit"
    assert found[f"apiserver_admission_step_admission_duration_seconds_count{{{step}}}"] > 1
    assert found["apiserver_flowcontrol_dispatched_requests_total{flow_schema=exempt,priority_level=exempt}"] >= 3
    assert found["apiserver_flowcontrol_nominal_limit_seats{priority_level=catch-all}"] == 600
    assert found["apiserver_current_inflight_requests{request_kind=mutating}"] == 0
    assert any(name.startswith("kubernetes_build_info{") and "minor=37" in name for name in found)
    assert found["process_start_time_seconds{}"] > 0


async def test_a_refused_write(client: Client) -> None:
    limit = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
    await client("POST", "/api/v1/namespaces/nowhere/pods", limit)
    found = await samples(client)
    step = "operation=CREATE,rejected=true,type=admit"
    assert found[f"apiserver_admission_step_admission_duration_seconds_count{{{step}}}"] == 1


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        ("/registry/pods/default/web", "pods"),
        ("/registry/pods/", "pods"),
        ("/registry/example.com/widgets/default/a", "example.com/widgets"),
    ],
)
def test_folders(key: str, folder: str) -> None:
    assert resource_of(key) == folder


def test_etcd_timings() -> None:
    times = timings()
    times.add(("create", "example.com/widgets"), 0.03)
    (family,) = times.collect()
    labels = {"operation": "create", "group": "example.com", "resource": "widgets", "type": "example.com/widgets"}
    by_bound = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert all(labels.items() <= sample.labels.items() for sample in family.samples)
    assert (by_bound["0.025"], by_bound["0.05"], by_bound["+Inf"]) == (0, 1, 1)


ONE = b"""# HELP a_total Some.
# TYPE a_total counter
a_total{x="1 2"} 1.0
# HELP apiserver_storage_objects Objects.
# TYPE apiserver_storage_objects gauge
apiserver_storage_objects{resource="pods"} 7.0
"""
TWO = b"""# HELP a_total Some.
# TYPE a_total counter
a_total{x="1 2"} 2.0
a_total{x="3"} 1.0
# HELP apiserver_storage_objects Objects.
# TYPE apiserver_storage_objects gauge
apiserver_storage_objects{resource="pods"} 6.0
"""


def test_merge() -> None:
    assert merge([ONE, TWO]).decode().splitlines() == [
        "# HELP a_total Some.",
        "# TYPE a_total counter",
        'a_total{x="1 2"} 3.0',
        'a_total{x="3"} 1.0',
        "# HELP apiserver_storage_objects Objects.",
        "# TYPE apiserver_storage_objects gauge",
        'apiserver_storage_objects{resource="pods"} 7.0',
    ]
    assert merge([ONE]) == ONE


async def test_workers_tell_each_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The other worker is a socket beside; one that died left its own behind."""
    (tmp_path / "1.sock").touch()
    own = asyncio.create_task(gathering.answer(str(tmp_path), lambda: TWO))
    async with asyncio.timeout(5):
        while not (found := _others(tmp_path)):  # noqa: ASYNC110 - the file system has no event for it
            await asyncio.sleep(0)
    found[0].rename(tmp_path / "2.sock")
    merged = await gathering.gather(str(tmp_path), ONE)
    assert b'a_total{x="1 2"} 3.0' in merged
    assert "1.sock does not tell" in caplog.text
    own.cancel()
    await asyncio.gather(own, return_exceptions=True)


def _others(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.sock") if path.stem != "1"]


async def test_what_nobody_serves_is_counted_together(client: Client) -> None:
    before = len(client.server.api.requests._series)
    for number in range(50):
        assert (await client("GET", f"/apis/g{number}.example.com/v1/things")).status == 404
        assert (await client("GET", f"/api/v1/namespaces/default/pods/p/part{number}")).status == 404
        assert (await client.acting_as("nobody")("GET", f"/api/v{number}2/pods")).status == 401
    assert len(client.server.api.requests._series) <= before + 2
    found = await samples(client)
    assert sum(count for name, count in found.items() if name.startswith("apiserver_request_total{code=404")) >= 100


async def test_long_paths_are_not_remembered(client: Client) -> None:
    before = len(paths._known)
    for number in range(20):
        assert (await client("GET", f"/api/v1/namespaces/default/configmaps/{number}{'x' * 2000}")).status == 404
    assert len(paths._known) == before
