"""The pod worker on the in-memory runtime: what users see of pods that start, crash, end, are refused and deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubelet.runtime.interface import ContainerConfig, ContainerRecord
from kubelet.runtime.memory import MemoryRuntime, Script
from pocketkube.base.clock import FakeClock
from tests.kubelet.world import IMAGE, World, container, pod


async def test_pod_becomes_ready(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    status = world.status(uid)
    assert status["phase"] == "Running"
    assert status["podIP"] == "10.244.0.2"
    assert status["podIPs"] == [{"ip": "10.244.0.2"}]
    assert status["hostIP"] == "192.0.2.1"
    assert status["qosClass"] == "BestEffort"
    shown = world.container_status(uid)
    assert shown["ready"] and shown["started"] and shown["restartCount"] == 0
    assert list(shown["state"]) == ["running"]
    reasons = [r for r in world.events.reasons() if r in ("Pulled", "Created", "Started")]
    assert reasons == ["Pulled", "Created", "Started"]


async def test_first_status_says_container_creating(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    first = world.statuses.history[uid][0]
    assert first["phase"] == "Pending"
    assert first["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}


async def test_crash_restarts_at_once_then_backs_off(world: World) -> None:
    """Behaviour 54: only the exited container restarts, at once at first, then 10 s doubling."""
    uid = world.add(pod("web", container("c"), container("other")))
    await world.until(lambda: world.ready(uid))
    other = world.record(uid, "other").id
    world.runtime.exit(world.record(uid), 1)
    await world.until(lambda: world.running(uid) and world.container_status(uid)["restartCount"] == 1)
    world.runtime.exit(world.record(uid), 1)
    await world.until(lambda: "waiting" in world.container_status(uid)["state"])
    shown = world.container_status(uid)
    assert shown["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": "back-off 10s restarting failed container=c pod=web_default(uid-web)",
    }
    assert shown["lastState"]["terminated"]["exitCode"] == 1
    assert shown["lastState"]["terminated"]["reason"] == "Error"
    await world.advance(9.0)
    assert not world.running(uid)
    await world.advance(1.1)
    await world.until(lambda: world.running(uid))
    assert world.container_status(uid)["restartCount"] == 2
    assert world.record(uid, "other").id == other
    world.runtime.exit(world.record(uid), 1)
    await world.until(lambda: "back-off 20s" in str(world.container_status(uid)["state"]))


async def test_on_failure_ignores_success(world: World) -> None:
    uid = world.add(pod(restartPolicy="OnFailure"))
    await world.until(lambda: world.ready(uid))
    world.runtime.exit(world.record(uid), 0)
    await world.until(lambda: world.status(uid)["phase"] == "Succeeded")
    assert world.condition(uid, "Initialized")["reason"] == "PodCompleted"
    assert world.condition(uid, "Ready")["reason"] == "PodCompleted"
    assert world.container_status(uid)["state"]["terminated"]["reason"] == "Completed"


async def test_never_fails_the_pod(world: World) -> None:
    uid = world.add(pod(restartPolicy="Never"))
    await world.until(lambda: world.ready(uid))
    world.runtime.exit(world.record(uid), 3, oom=True)
    await world.until(lambda: world.status(uid)["phase"] == "Failed")
    assert world.container_status(uid)["state"]["terminated"]["reason"] == "OOMKilled"
    assert world.condition(uid, "Ready")["reason"] == "PodFailed"
    await world.until(lambda: not world.runtime.records[uid].sandboxes)


async def test_delete_waits_for_the_grace_period_then_kills(tmp_path: Path) -> None:
    clock = FakeClock()
    deaf = MemoryRuntime(clock, images=(IMAGE,), script=lambda config: Script(heeds=frozenset()))
    world = World(tmp_path, runtime=deaf, clock=clock)
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    world.delete(uid, grace=5)
    await world.advance(4.5)
    assert world.running(uid)
    await world.advance(0.6)
    await world.until(lambda: uid in world.statuses.deleted and uid not in world.runtime.records)
    assert world.status(uid)["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    await world.until(lambda: uid not in world.manager.workers)
    assert not (tmp_path / "pods" / uid).exists()


async def test_second_shorter_deletion_counts(tmp_path: Path) -> None:
    clock = FakeClock()
    deaf = MemoryRuntime(clock, images=(IMAGE,), script=lambda config: Script(heeds=frozenset()))
    world = World(tmp_path, runtime=deaf, clock=clock)
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    world.delete(uid, grace=600)
    await world.advance(1)
    world.delete(uid, grace=1)
    await world.advance(1.1)
    await world.until(lambda: uid in world.statuses.deleted)


async def test_init_containers_run_in_order(world: World) -> None:
    """Behaviour 55."""
    uid = world.add(pod("web", initContainers=[container("i1"), container("i2")]))
    await world.until(lambda: world.running(uid, "i1"))
    await world.settle()
    assert world.status(uid)["phase"] == "Pending"
    assert world.condition(uid, "Initialized")["reason"] == "ContainersNotInitialized"
    assert world.condition(uid, "Initialized")["message"] == "containers with incomplete status: [i1 i2]"
    assert world.container_status(uid)["state"]["waiting"]["reason"] == "PodInitializing"
    world.runtime.exit(world.record(uid, "i1"), 0)
    await world.until(lambda: world.running(uid, "i2"))
    await world.settle()
    assert world.container_status(uid, "i1")["ready"]
    assert world.condition(uid, "Initialized")["message"] == "containers with incomplete status: [i2]"
    world.runtime.exit(world.record(uid, "i2"), 0)
    await world.until(lambda: world.ready(uid))
    assert world.condition(uid, "Initialized")["status"] == "True"


async def test_failed_init_fails_a_pod_that_never_restarts(world: World) -> None:
    uid = world.add(pod("web", restartPolicy="Never", initContainers=[container("i1")]))
    await world.until(lambda: world.running(uid, "i1"))
    world.runtime.exit(world.record(uid, "i1"), 1)
    await world.until(lambda: world.status(uid)["phase"] == "Failed")
    assert world.runtime.starts[uid, "c"] == 0


async def test_sidecar_starts_first_restarts_and_ends_last(world: World) -> None:
    sidecar = container("side", restartPolicy="Always")
    uid = world.add(pod("job", restartPolicy="Never", initContainers=[sidecar]))
    await world.until(lambda: world.ready(uid))
    world.runtime.exit(world.record(uid, "side"), 1)
    await world.until(lambda: world.running(uid, "side") and world.record(uid, "side").attempt == 1)
    world.runtime.exit(world.record(uid), 0)
    await world.until(lambda: world.status(uid)["phase"] == "Succeeded")
    assert not world.running(uid, "side")


async def test_missing_configmap_shows_and_recovers(world: World) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}]
    uid = world.add(pod("web", container("c", env=env)))
    await world.until(
        lambda: (
            world.container_status(uid).get("state", {}).get("waiting", {}).get("reason")
            == "CreateContainerConfigError"
        )
    )
    assert world.container_status(uid)["state"]["waiting"]["message"] == 'configmap "cm" not found'
    world.objects.held["configmap", "default", "cm"] = {"kind": "ConfigMap", "data": {"k": "v"}}
    world.manager.objects_changed(uid)
    await world.until(lambda: world.ready(uid))


async def test_image_problems(world: World) -> None:
    """ErrImagePull, then ImagePullBackOff until the wait is over."""
    uid = world.add(pod("web", container("c", image="gone:1")))

    def seen() -> str:
        return str(world.container_status(uid).get("state", {}).get("waiting", {}).get("reason"))

    await world.until(lambda: seen() in ("ErrImagePull", "ImagePullBackOff"))
    reasons = [s["containerStatuses"][0]["state"]["waiting"]["reason"] for s in world.statuses.history[uid]]
    assert "ErrImagePull" in reasons
    await world.advance(1)
    world.manager._wake(uid)
    await world.until(lambda: seen() == "ImagePullBackOff")
    assert "Back-off pulling image" in world.container_status(uid)["state"]["waiting"]["message"]


async def test_container_that_cannot_start(tmp_path: Path) -> None:
    clock = FakeClock()
    runtime = MemoryRuntime(clock, images=(IMAGE,), script=lambda config: Script(fails="exec: no such file"))
    world = World(tmp_path, runtime=runtime)
    uid = world.add(pod())
    await world.until(lambda: "CrashLoopBackOff" in str(world.container_status(uid)))
    last = world.container_status(uid)["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (128, "StartError", "exec: no such file")
    assert world.runtime.starts[uid, "c"] == 0
    await world.manager.stop()


async def test_refused_pod_fails_with_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path, admit=lambda pod, others: ("OutOfcpu", "Node didn't have enough resource: cpu"))
    uid = world.add(pod())
    await world.until(lambda: world.status(uid).get("phase") == "Failed")
    assert world.status(uid)["reason"] == "OutOfcpu"
    assert world.status(uid)["message"] == "Pod was rejected: Node didn't have enough resource: cpu"
    assert uid not in world.runtime.records
    await world.manager.stop()


async def test_active_deadline(world: World) -> None:
    uid = world.add(pod(activeDeadlineSeconds=60))
    await world.until(lambda: world.ready(uid))
    await world.advance(61)
    await world.until(lambda: world.status(uid)["phase"] == "Failed")
    assert world.status(uid)["reason"] == "DeadlineExceeded"


async def test_killed_kubelet_adopts_and_restarts_nothing(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    before = world.record(uid)
    await world.restart_kubelet()
    await world.settle()
    assert world.record(uid) is before
    assert world.runtime.starts[uid, "c"] == 1
    assert world.ready(uid)


async def test_pod_deleted_while_the_kubelet_was_away_is_ended(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    del world.pods[uid]
    await world.restart_kubelet()
    await world.until(lambda: uid not in world.runtime.records)


async def test_restart_count_survives_lost_containers(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    world.runtime.exit(world.record(uid), 1)
    await world.until(lambda: world.running(uid) and world.container_status(uid)["restartCount"] == 1)
    await world.manager.stop()
    for record in list(world.runtime.records[uid].containers.values()):
        world.runtime.exit(record, 137)
        world.runtime.lose(record)
    await world.restart_kubelet()
    await world.until(lambda: world.running(uid))
    await world.settle()
    assert world.container_status(uid)["restartCount"] == 2


async def test_reboot_makes_a_new_sandbox(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    world.runtime.stop_sandbox(uid)
    await world.until(lambda: world.running(uid) and world.ready(uid))
    sandbox = world.runtime.records[uid].sandbox()
    assert sandbox is not None and sandbox.attempt == 1
    assert world.container_status(uid)["restartCount"] == 1


async def test_engine_away_and_back(world: World) -> None:
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    world.runtime.down = "cannot connect to the Docker daemon"
    second = world.add(pod("late"))
    await world.settle()
    assert world.ready(uid)
    world.runtime.down = ""
    await world.advance(6)
    await world.until(lambda: world.ready(second))
    assert world.runtime.starts[uid, "c"] == 1


async def test_readiness_probe_gates_and_liveness_restarts(world: World) -> None:
    """Behaviour 58: a pod with a readiness probe starts not ready."""
    answers = {"ready": 1, "live": 0}
    world.runtime.command = lambda record, command: (answers[command[0]], b"")
    probes = {
        "readinessProbe": {"exec": {"command": ["ready"]}, "periodSeconds": 1, "failureThreshold": 1},
        "livenessProbe": {"exec": {"command": ["live"]}, "periodSeconds": 5, "failureThreshold": 2},
    }
    uid = world.add(pod("web", container("c", **probes)))
    await world.until(lambda: world.running(uid))
    await world.settle()
    assert not world.ready(uid)
    assert world.condition(uid, "Ready")["reason"] == "ContainersNotReady"
    answers["ready"] = 0
    await world.advance(1)
    await world.until(lambda: world.ready(uid))
    answers["live"] = 1
    await world.advance(5)
    await world.advance(5)
    await world.until(lambda: world.container_status(uid).get("restartCount") == 1)
    assert ("Normal", "Killing", "Container c failed liveness probe, will be restarted") in world.events.told


async def test_a_probe_that_is_sent_elsewhere_passes_with_a_warning(world: World) -> None:
    """Whoever answers with a redirect to another host is not known to be well: an event says so, and nothing is restarted."""

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://0.0.0.0/\r\nContent-Length: 4\r\n\r\ngone")
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    get = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "path": "/"}
    world.add(pod("web", container("c", livenessProbe={"httpGet": get, "failureThreshold": 1})))
    told = ("Warning", "ProbeWarning", "Liveness probe warning: Probe terminated redirects, Response body: gone")
    await world.until(lambda: told in world.events.told)
    server.close()
    assert "Unhealthy" not in world.events.reasons()


async def test_pre_stop_runs_before_the_signal(world: World) -> None:
    hook = {"preStop": {"exec": {"command": ["drain"]}}}
    uid = world.add(pod("web", container("c", lifecycle=hook)))
    await world.until(lambda: world.ready(uid))
    seen: list[bool] = []

    def drain(record: ContainerRecord, command: list[str]) -> tuple[int, bytes]:
        seen.append(record.state == "running")
        return 0, b""

    world.runtime.command = drain
    world.delete(uid)
    await world.until(lambda: uid in world.statuses.deleted)
    assert seen == [True]


async def test_failed_post_start_kills_the_container(world: World) -> None:
    world.runtime.command = lambda record, command: (1, b"no")
    hook = {"postStart": {"exec": {"command": ["warm"]}}}
    uid = world.add(pod("web", container("c", lifecycle=hook)))
    await world.until(lambda: world.runtime.starts[uid, "c"] >= 2)
    assert "FailedPostStartHook" in world.events.reasons()


async def test_changed_image_replaces_the_container(world: World) -> None:
    world.runtime._images["app:2"] = world.runtime._images[IMAGE]
    uid = world.add(pod())
    await world.until(lambda: world.ready(uid))
    world.update(uid, lambda o: o["spec"]["containers"][0].update(image="app:2"))
    await world.until(lambda: world.running(uid) and world.record(uid).attempt == 1)
    assert world.record(uid).image == "app:2"


async def test_resize_changes_the_running_container(world: World) -> None:
    """Behaviour 62."""
    limits = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    uid = world.add(pod("web", container("c", resources=limits)))
    await world.until(lambda: world.ready(uid))
    world.update(uid, lambda o: o["spec"]["containers"][0]["resources"]["limits"].update(cpu="400m"))
    await world.until(lambda: world.container_status(uid)["resources"]["limits"]["cpu"] == "400m")
    assert world.record(uid).resources.cpu_quota == 40_000
    assert world.record(uid).attempt == 0
    assert world.container_status(uid)["allocatedResources"] == {"cpu": "100m"}


def test_scripts_see_the_configuration() -> None:
    config = ContainerConfig(pod_uid="u", pod_name="p", pod_namespace="n", name="c", image="i")
    assert Script().heeds >= {"SIGKILL"} and config.attempt == 0
