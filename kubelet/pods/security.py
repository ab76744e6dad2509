"""A container's security context, merged with its pod's, as what the engine is told. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelet.pods.environment import ConfigError
from kubelet.runtime.interface import Security

Obj = dict[str, Any]


def effective(pod: Obj, container: Obj) -> Obj:
    """The container's fields over those of the pod that apply to containers."""
    outer, inner = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    shared = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions", "seccompProfile", "appArmorProfile")
    return {**{name: outer[name] for name in shared if name in outer}, **inner}


def of_container(
    pod: Obj,
    container: Obj,
    *,
    image_user: str,
    extra_groups: tuple[int, ...],
    read_profile: Callable[[str], str],
    seccomp_default: bool = False,
) -> Security:
    """`extra_groups` come from volumes; `read_profile` gives a localhost seccomp profile's JSON. Raises ConfigError."""
    wanted = effective(pod, container)
    default: Obj = {"type": "RuntimeDefault"} if seccomp_default else {}
    _refuse_root(pod, container, wanted, image_user)
    outer = pod["spec"].get("securityContext") or {}
    groups = [*(outer.get("supplementalGroups") or ()), *extra_groups]
    if outer.get("fsGroup") is not None:
        groups.append(outer["fsGroup"])
    capabilities = wanted.get("capabilities") or {}
    escalation = wanted.get("allowPrivilegeEscalation")
    return Security(
        user=_user(wanted, image_user),
        groups=tuple(str(group) for group in dict.fromkeys(groups)),
        privileged=bool(wanted.get("privileged")),
        read_only_root=bool(wanted.get("readOnlyRootFilesystem")),
        no_new_privileges=escalation is False,
        add_capabilities=tuple(_bare(name) for name in capabilities.get("add") or ()),
        drop_capabilities=tuple(_bare(name) for name in capabilities.get("drop") or ()),
        seccomp=_seccomp(wanted.get("seccompProfile") or default, read_profile),
        apparmor=_apparmor(wanted.get("appArmorProfile") or {}),
        unmasked_proc=wanted.get("procMount") == "Unmasked",
    )


def _bare(capability: str) -> str:
    return capability.upper().removeprefix("CAP_")


def _user(wanted: Obj, image_user: str) -> str:
    user, group = wanted.get("runAsUser"), wanted.get("runAsGroup")
    if user is None and group is None:
        return ""
    name = str(user) if user is not None else image_user.partition(":")[0] or "0"
    return f"{name}:{group}" if group is not None else name


def _refuse_root(pod: Obj, container: Obj, wanted: Obj, image_user: str) -> None:
    if not wanted.get("runAsNonRoot"):
        return
    meta = pod["metadata"]
    where = f'(pod: "{meta["name"]}_{meta.get("namespace", "default")}({meta.get("uid", "")})", container: {container["name"]})'
    user = wanted.get("runAsUser")
    if user == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    if user is not None:
        return
    name = image_user.partition(":")[0]
    if name in ("", "0", "root"):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if not name.isdigit():
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root {where}"
        )


def _seccomp(profile: Obj, read_profile: Callable[[str], str]) -> str:
    kind = profile.get("type")
    if kind == "RuntimeDefault":
        return "default"
    if kind == "Localhost":
        try:
            return read_profile(profile.get("localhostProfile") or "")
        except OSError as e:
            raise ConfigError(f"failed to load seccomp profile: {e}") from e
    return ""


def _apparmor(profile: Obj) -> str:
    return {"Unconfined": "unconfined", "Localhost": str(profile.get("localhostProfile") or "")}.get(
        profile.get("type") or "", ""
    )
