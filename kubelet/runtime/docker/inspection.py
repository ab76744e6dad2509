"""What Docker says of a container, an image, the engine, as the records of the runtime interface. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubelet.runtime.docker import labels
from kubelet.runtime.interface import (
    ContainerFiles,
    ContainerRecord,
    ImageRecord,
    Resources,
    SandboxRecord,
    State,
    Usage,
)

Body = dict[str, Any]

START_FAILED = 128  # exit code of a container that the engine could not start

EPOCH = datetime.fromtimestamp(0, UTC)

_FRACTION = re.compile(r"\.(\d+)")


def time_of(text: str) -> datetime | None:
    """A Go time with nanoseconds; the zero time is None."""
    if not text or text.startswith("0001-"):
        return None
    cut = _FRACTION.sub(lambda m: "." + m[1][:6].ljust(6, "0"), text)
    return datetime.fromisoformat(cut.replace("Z", "+00:00")).astimezone(UTC)


def state_of(state: Body) -> State:
    if state.get("Running") or state.get("Paused") or state.get("Restarting"):
        return "running"
    return "created" if state.get("Status") == "created" and not state.get("Error") else "exited"


def is_sandbox(body: Body) -> bool:
    return bool(body["Config"]["Labels"].get(labels.KIND) == labels.SANDBOX)


def sandbox(body: Body) -> SandboxRecord:
    named, state = body["Config"]["Labels"], body["State"]
    return SandboxRecord(
        id=body["Id"],
        pod_uid=named[labels.POD_UID],
        pod_name=named[labels.POD_NAME],
        pod_namespace=named[labels.POD_NAMESPACE],
        attempt=int(named[labels.ATTEMPT]),
        state=state_of(state),
        created_at=time_of(body["Created"]) or datetime.now(UTC),
        ip=named.get(labels.POD_IP, ""),
        pid=state.get("Pid") or 0,
        host_network=body["HostConfig"].get("NetworkMode") == "host",
        labels=named,
    )


def container(body: Body) -> ContainerRecord:
    named, state = body["Config"]["Labels"], body["State"]
    found = state_of(state)
    code = START_FAILED if state.get("Error") else int(state.get("ExitCode") or 0)
    return ContainerRecord(
        id=body["Id"],
        pod_uid=named[labels.POD_UID],
        name=named[labels.CONTAINER_NAME],
        attempt=int(named[labels.ATTEMPT]),
        state=found,
        image=named.get(labels.IMAGE) or body["Config"]["Image"],
        image_id=body["Image"],
        created_at=time_of(body["Created"]) or datetime.now(UTC),
        started_at=time_of(state.get("StartedAt", "")),
        finished_at=_end(body) if found == "exited" else None,
        exit_code=code,
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        pid=state.get("Pid") or 0,
        sandbox_attempt=int(named.get(labels.SANDBOX_ATTEMPT, 0)),
        resources=_resources(body["HostConfig"]),
        tty=bool(body["Config"].get("Tty")),
        labels=named,
    )


def _end(body: Body) -> datetime:
    """Of an ended container; one that could not be started never got an end of its own."""
    state = body["State"]
    return (
        time_of(state.get("FinishedAt", "")) or time_of(state.get("StartedAt", "")) or time_of(body["Created"]) or EPOCH
    )


def _resources(host: Body) -> Resources:
    return Resources(
        cpu_shares=int(host.get("CpuShares") or 0),
        cpu_period=int(host.get("CpuPeriod") or 0),
        cpu_quota=int(host.get("CpuQuota") or 0),
        memory=int(host.get("Memory") or 0),
        pids=int(host.get("PidsLimit") or 0),
        oom_score_adj=int(host.get("OomScoreAdj") or 0),
    )


def image(body: Body) -> ImageRecord:
    """Of `inspect` or of a list entry, which has no config."""
    config = body.get("Config") or {}
    created = body.get("Created") or 0
    moment = time_of(created) if isinstance(created, str) else None
    return ImageRecord(
        id=body["Id"],
        tags=tuple(t for t in body.get("RepoTags") or () if t != "<none>:<none>"),
        digests=tuple(d for d in body.get("RepoDigests") or () if not d.startswith("<none>")),
        size=int(body.get("Size") or 0),
        user=config.get("User") or "",
        env=tuple(config.get("Env") or ()),
        stop_signal=config.get("StopSignal") or "",
        has_command=bool(config.get("Entrypoint") or config.get("Cmd")),
        created=moment.timestamp() if moment else float(created) if not isinstance(created, str) else 0.0,
    )


def usage(body: Body) -> Usage:
    """Of the engine's statistics; the names of its memory figures are those of cgroup v1 or v2."""
    memory = body.get("memory_stats") or {}
    stats = memory.get("stats") or {}
    used = int(memory.get("usage") or 0)

    def figure(version_1: str, version_2: str) -> int:
        return int(stats.get(version_1, stats.get(version_2, 0)) or 0)

    return Usage(
        cpu_nanos=int(((body.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0),
        memory=used,
        working_set=max(0, used - figure("total_inactive_file", "inactive_file")),
        rss=figure("total_rss", "anon"),
        faults=figure("total_pgfault", "pgfault"),
        major_faults=figure("total_pgmajfault", "pgmajfault"),
        pids=int((body.get("pids_stats") or {}).get("current") or 0),
    )


def files(body: Body) -> ContainerFiles:
    layer = ((body.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir") or ""
    return ContainerFiles(
        layer=Path(layer) if layer else None, log=Path(body["LogPath"]) if body.get("LogPath") else None
    )
