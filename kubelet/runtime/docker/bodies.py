"""What is asked of a pod becomes the body of Docker's container creation. Pure."""

from __future__ import annotations

from typing import Any

from kubelet.runtime.docker import labels
from kubelet.runtime.interface import ContainerConfig, Mount, Resources, SandboxConfig, SandboxRecord, Security

Body = dict[str, Any]

SYS_RESOURCE = 24
CAPABILITIES = (  # by bit, those that every engine knows by name
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
    "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
    "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
)  # fmt: skip
LOGS = {
    "Type": "json-file",
    "Config": {"max-size": "10m", "max-file": "5"},
}  # upstream's containerLogMaxSize and -Files


class Abilities:
    """What this host may give to a container. A host that is a container itself often lacks capabilities."""

    def __init__(self, bounding_set: int) -> None:
        self.missing = [name for bit, name in enumerate(CAPABILITIES) if not bounding_set >> bit & 1]
        self.negative_oom_score = bool(bounding_set >> SYS_RESOURCE & 1)

    @classmethod
    def of_this_process(cls) -> Abilities:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("CapBnd:"))
        return cls(int(line.split()[1], 16))


def sandbox(config: SandboxConfig, *, image: str, kubelet: str, abilities: Abilities) -> Body:
    host: Body = {
        "NetworkMode": "host" if config.host_network else "none",
        "IpcMode": "host" if config.host_ipc else "shareable",
        "SecurityOpt": ["seccomp=unconfined"],
        "LogConfig": {"Type": "none"},
        "CpuShares": 2,
        "ReadonlyRootfs": True,
    }
    if config.host_pid:
        host["PidMode"] = "host"
    if config.sysctls:
        host["Sysctls"] = dict(config.sysctls)
    if config.cgroup_parent:
        host["CgroupParent"] = config.cgroup_parent
    if abilities.negative_oom_score:
        host["OomScoreAdj"] = -998
    named = labels.identity(
        uid=config.pod_uid, name=config.pod_name, namespace=config.pod_namespace, container=labels.SANDBOX_NAME,
        attempt=config.attempt, kubelet=kubelet,
    )  # fmt: skip
    extra = {labels.POD_IP: config.ip} if config.ip else {}
    body: Body = {"Image": image, "Labels": {**config.labels, **named, **extra}, "HostConfig": host}
    if config.host_network:
        return body
    # the engine then makes an empty network namespace and leaves it to us, without its 80 ms hook
    body["NetworkDisabled"] = True
    body["Hostname"] = config.hostname
    return body


def container(joined: SandboxRecord, config: ContainerConfig, *, kubelet: str, abilities: Abilities) -> Body:
    named = labels.identity(
        uid=config.pod_uid, name=config.pod_name, namespace=config.pod_namespace, container=config.name,
        attempt=config.attempt, kubelet=kubelet,
    )  # fmt: skip
    body: Body = {
        "Image": config.image_id or config.image,
        "Env": list(config.env),
        "Labels": {
            **config.labels,
            **named,
            labels.IMAGE: config.image,
            labels.SANDBOX_ATTEMPT: str(config.sandbox_attempt),
        },
        "Tty": config.tty,
        "OpenStdin": config.stdin,
        "StdinOnce": config.stdin_once,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(joined, config, abilities),
    }
    if config.command:
        body["Entrypoint"] = list(config.command)
    if config.args:
        body["Cmd"] = list(config.args)
    if config.working_dir:
        body["WorkingDir"] = config.working_dir
    if config.security.user:
        body["User"] = config.security.user
    return body


def _host_config(joined: SandboxRecord, config: ContainerConfig, abilities: Abilities) -> Body:
    host: Body = {
        "NetworkMode": f"container:{joined.id}",
        "IpcMode": "host" if config.host_ipc else f"container:{joined.id}",
        "Mounts": [_mount(m) for m in config.mounts],
        "LogConfig": LOGS,
        **limits(config.resources, abilities),
        **_security(config.security, abilities),
    }
    if config.target:
        host["PidMode"] = f"container:{config.target}"
    elif config.host_pid:
        host["PidMode"] = "host"
    elif config.share_pid:
        host["PidMode"] = f"container:{joined.id}"
    if config.cgroup_parent:
        host["CgroupParent"] = config.cgroup_parent
    return host


def _mount(mount: Mount) -> Body:
    body: Body = {
        "Type": "bind",
        "Source": mount.host_path,
        "Target": mount.container_path,
        "ReadOnly": mount.read_only,
    }
    if mount.propagation:
        body["BindOptions"] = {"Propagation": mount.propagation}
    return body


def limits(resources: Resources, abilities: Abilities) -> Body:
    body: Body = {}
    if resources.cpu_shares:
        body["CpuShares"] = resources.cpu_shares
    if resources.cpu_quota:
        body["CpuPeriod"], body["CpuQuota"] = resources.cpu_period or 100_000, resources.cpu_quota
    if resources.memory:
        body["Memory"] = body["MemorySwap"] = resources.memory  # equal: no swap beyond
    if resources.pids:
        body["PidsLimit"] = resources.pids
    score = resources.oom_score_adj
    if score > 0 or (score < 0 and abilities.negative_oom_score):
        body["OomScoreAdj"] = score
    return body


def _security(security: Security, abilities: Abilities) -> Body:
    body: Body = {"ReadonlyRootfs": security.read_only_root}
    options = []
    if security.no_new_privileges:
        options.append("no-new-privileges:true")
    if security.seccomp != "default" or security.privileged:
        options.append(
            f"seccomp={security.seccomp or 'unconfined'}" if not security.privileged else "seccomp=unconfined"
        )
    if security.apparmor:
        options.append(f"apparmor={security.apparmor}")
    if options:
        body["SecurityOpt"] = options
    if security.groups:
        body["GroupAdd"] = list(security.groups)
    if security.privileged and not abilities.missing:
        body["Privileged"] = True
    elif security.privileged:
        body |= {"CapAdd": ["ALL"], "CapDrop": abilities.missing, "DeviceCgroupRules": ["a *:* rwm"]}
        body |= {"MaskedPaths": [], "ReadonlyPaths": []}
    else:
        dropped = list(security.drop_capabilities)
        if "ALL" in security.add_capabilities:
            dropped += [name for name in abilities.missing if name not in dropped]
        body |= {"CapAdd": list(security.add_capabilities), "CapDrop": dropped}
        if security.unmasked_proc:
            body |= {"MaskedPaths": [], "ReadonlyPaths": []}
    return body
