from __future__ import annotations

from datetime import UTC, datetime

from kubelet.runtime.docker import bodies, inspection, labels
from kubelet.runtime.interface import ContainerConfig, Mount, Resources, SandboxConfig, SandboxRecord, Security

ALL = bodies.Abilities((1 << 41) - 1)
NESTED = bodies.Abilities(((1 << 41) - 1) & ~(1 << bodies.SYS_RESOURCE))

BOX = SandboxRecord(
    id="box",
    pod_uid="u",
    pod_name="p",
    pod_namespace="n",
    attempt=2,
    state="running",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def config(**more: object) -> ContainerConfig:
    fields = {"pod_uid": "u", "pod_name": "p", "pod_namespace": "n", "name": "c", "image": "i", "attempt": 3, **more}
    return ContainerConfig(**fields)  # type: ignore[arg-type]


def test_names_and_labels() -> None:
    body = bodies.container(BOX, config(), kubelet="k", abilities=ALL)
    assert labels.container_name(body["Labels"]) == "k8s_c_p_n_u_3"
    assert body["HostConfig"]["NetworkMode"] == body["HostConfig"]["IpcMode"] == "container:box"


def test_a_sandbox_makes_its_namespaces_without_the_engines_network() -> None:
    wanted = SandboxConfig(pod_uid="u", pod_name="p", pod_namespace="n", hostname="p", ip="10.0.0.2")
    body = bodies.sandbox(wanted, image="pause", kubelet="k", abilities=ALL)
    assert body["NetworkDisabled"] and body["Hostname"] == "p"
    assert body["HostConfig"]["IpcMode"] == "shareable" and body["HostConfig"]["OomScoreAdj"] == -998
    assert body["Labels"][labels.POD_IP] == "10.0.0.2"
    assert labels.container_name(body["Labels"]) == "k8s_POD_p_n_u_0"


def test_host_namespaces() -> None:
    wanted = SandboxConfig(
        pod_uid="u", pod_name="p", pod_namespace="n", host_network=True, host_pid=True, host_ipc=True
    )
    body = bodies.sandbox(wanted, image="pause", kubelet="k", abilities=ALL)
    assert "NetworkDisabled" not in body
    assert {body["HostConfig"][m] for m in ("NetworkMode", "PidMode", "IpcMode")} == {"host"}


def test_limits_where_scores_may_not_fall() -> None:
    found = bodies.limits(Resources(cpu_shares=102, cpu_quota=5000, memory=1 << 20, oom_score_adj=-997), NESTED)
    assert found == {"CpuShares": 102, "CpuPeriod": 100000, "CpuQuota": 5000, "Memory": 1 << 20, "MemorySwap": 1 << 20}


def test_privileged_where_capabilities_lack() -> None:
    host = bodies.container(BOX, config(security=Security(privileged=True)), kubelet="k", abilities=NESTED)[
        "HostConfig"
    ]
    assert "Privileged" not in host and (host["CapAdd"], host["CapDrop"]) == (["ALL"], ["SYS_RESOURCE"])
    host = bodies.container(BOX, config(security=Security(privileged=True)), kubelet="k", abilities=ALL)["HostConfig"]
    assert host["Privileged"]


def test_seccomp_is_off_unless_asked_for() -> None:
    """Upstream's default is Unconfined, the engine's is not."""
    plain = bodies.container(BOX, config(), kubelet="k", abilities=ALL)["HostConfig"]
    assert plain["SecurityOpt"] == ["seccomp=unconfined"]
    asked = bodies.container(BOX, config(security=Security(seccomp="default")), kubelet="k", abilities=ALL)[
        "HostConfig"
    ]
    assert "SecurityOpt" not in asked


def test_mounts_and_command() -> None:
    made = config(command=("a",), args=("b",), mounts=(Mount("/h", "/c", True, "rslave"),), env=("A=1",))
    body = bodies.container(BOX, made, kubelet="k", abilities=ALL)
    assert (body["Entrypoint"], body["Cmd"], body["Env"]) == (["a"], ["b"], ["A=1"])
    mount = {"Type": "bind", "Source": "/h", "Target": "/c", "ReadOnly": True, "BindOptions": {"Propagation": "rslave"}}
    assert body["HostConfig"]["Mounts"] == [mount]


def test_times() -> None:
    assert inspection.time_of("0001-01-01T00:00:00Z") is None
    assert inspection.time_of("2026-11-21T03:00:00.123456789Z") == datetime(2026, 11, 21, 3, 0, 0, 123456, UTC)
    assert inspection.time_of("2026-11-21T04:00:00.5+01:00") == datetime(2026, 11, 21, 3, 0, 0, 500000, UTC)
