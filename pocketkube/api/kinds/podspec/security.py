"""Security contexts of pods and containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.podspec.volumes import local_path
from pocketkube.api.meta import field

Obj = dict[str, Any]

_ID = "must be between 0 and 2147483647, inclusive"
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_sysctl = re.compile(_SYSCTL).fullmatch
_IPC_SYSCTLS = ("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue.")
_PROFILES = ["Localhost", "RuntimeDefault", "Unconfined"]


def pod(context: Mapping[str, Any], spec: Mapping[str, Any], path: str) -> Errors:
    """A pod's securityContext; empty for most pods."""
    wrong = _ids(context, path, "fsGroup", "runAsUser", "runAsGroup")
    for at, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group < 1 << 31:
            wrong.append(field.invalid(f"{path}.supplementalGroups[{at}]", group, _ID))
    if sysctls := context.get("sysctls"):
        wrong += _sysctls(sysctls, spec, f"{path}.sysctls")
    for name, allowed in _CHOICES.items():
        if (value := context.get(name)) not in (None, *allowed):
            wrong.append(field.not_supported(f"{path}.{name}", value, allowed))
    return wrong + _profiles(context, path)


_CHOICES = {
    "fsGroupChangePolicy": ["Always", "OnRootMismatch"],
    "supplementalGroupsPolicy": ["Merge", "Strict"],
    "seLinuxChangePolicy": ["MountOption", "Recursive"],
}


def _ids(context: Mapping[str, Any], path: str, *fields: str) -> Errors:
    wrong: Errors = []
    for name in fields:
        value = context.get(name)
        if value is not None and not 0 <= value < 1 << 31:
            wrong.append(field.invalid(f"{path}.{name}", value, _ID))
    return wrong


def _sysctls(sysctls: list[Obj], spec: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    seen: set[str] = set()
    for at, sysctl in enumerate(sysctls):
        name, where = sysctl.get("name", ""), f"{path}[{at}].name"
        if not name:
            wrong.append(field.required(where))
        elif len(name) > 253 or not _sysctl(name):
            wrong.append(field.invalid(where, name, f"must have at most 253 characters and match regex ^{_SYSCTL}$"))
        elif name in seen:
            wrong.append(field.duplicate(where, name))
        seen.add(name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            wrong.append(field.invalid(where, name, "may not be specified when 'hostNetwork' is true"))
        if spec.get("hostIPC") and dotted.startswith(_IPC_SYSCTLS):
            wrong.append(field.invalid(where, name, "may not be specified when 'hostIPC' is true"))
    return wrong


def _profiles(context: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    if (profile := context.get("seccompProfile")) is not None:
        wrong += _profile(profile, f"{path}.seccompProfile", "seccomp", "seccompProfile")
    if (profile := context.get("appArmorProfile")) is not None:
        wrong += _profile(profile, f"{path}.appArmorProfile", "AppArmor", "appArmorProfile")
    return wrong


def _profile(profile: Obj, path: str, what: str, name: str) -> Errors:
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        return [field.required(f"{path}.type", f"type is required when {name} is set")]
    if kind not in _PROFILES:
        return [field.not_supported(f"{path}.type", kind, _PROFILES)]
    if kind != "Localhost":
        if local is None:
            return []
        return [field.invalid(f"{path}.localhostProfile", local, f"can only be set when {what} type is Localhost")]
    if not local:
        return [field.required(f"{path}.localhostProfile", f"must be set when {what} type is Localhost")]
    return local_path(local, f"{path}.localhostProfile") if what == "seccomp" else []


def container(context: Mapping[str, Any], path: str, *, host_users: bool) -> Errors:
    """A container's securityContext."""
    wrong = _ids(context, path, "runAsUser", "runAsGroup")
    if (mount := context.get("procMount")) is not None:
        if mount not in ("Default", "Unmasked"):
            wrong.append(field.not_supported(f"{path}.procMount", mount, ["Default", "Unmasked"]))
        elif mount == "Unmasked" and host_users:
            why = "`hostUsers` must be false to use `Unmasked`"
            wrong.append(field.invalid(f"{path}.procMount", mount, why))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            wrong.append(field.invalid(path, context, why))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            wrong.append(field.invalid(path, context, why))
    return wrong + _profiles(context, path)
