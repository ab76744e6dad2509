"""The Pod Security Standards as pure checks: a pod's metadata and spec in, the controls it breaks out.

`LEVELS` names the controls of baseline and restricted; each control returns None or (what it forbids, where it was found).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Obj = dict[str, Any]
Violation = tuple[str, str]
Control = Callable[[Obj, Obj], Violation | None]

_BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    }
)  # fmt: skip
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    }
)
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def containers(spec: Obj) -> Iterator[Obj]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def violations(level: str, metadata: Obj, spec: Obj) -> list[Violation]:
    """What a pod breaks of a level, in the standard's order."""
    return [found for control in LEVELS[level] if (found := control(metadata, spec)) is not None]


def render(found: list[Violation]) -> str:
    """`privileged (container "a" must not set ...), host namespaces (hostNetwork=true)`."""
    return ", ".join(f"{title} ({detail})" if detail else title for title, detail in found)


def _named(which: list[str], *, last: str = "") -> str:
    """`container "a"` or `containers "a", "b"`."""
    many = "s" if len(which) > 1 else ""
    return f"container{many} " + ", ".join(f'"{n}"' for n in which) + last


def _where(spec: Obj, wrong: Callable[[Obj], bool]) -> list[str]:
    return [c["name"] for c in containers(spec) if wrong(c)]


def _context(holder: Obj) -> Obj:
    return holder.get("securityContext") or {}


def _host_namespaces(metadata: Obj, spec: Obj) -> Violation | None:
    found = [f"{f}=true" for f in ("hostNetwork", "hostPID", "hostIPC") if spec.get(f)]
    return ("host namespaces", ", ".join(found)) if found else None


def _privileged(metadata: Obj, spec: Obj) -> Violation | None:
    which = _where(spec, lambda c: bool(_context(c).get("privileged")))
    return ("privileged", _named(which, last=" must not set securityContext.privileged=true")) if which else None


def _capabilities_baseline(metadata: Obj, spec: Obj) -> Violation | None:
    def added(container: Obj) -> set[str]:
        return set((_context(container).get("capabilities") or {}).get("add") or ()) - _BASELINE_CAPABILITIES

    which = _where(spec, lambda c: bool(added(c)))
    if not which:
        return None
    every = sorted({cap for c in containers(spec) for cap in added(c)})
    caps = ", ".join(f'"{c}"' for c in every)
    return "non-default capabilities", f"{_named(which)} must not include {caps} in securityContext.capabilities.add"


def _host_path(metadata: Obj, spec: Obj) -> Violation | None:
    which = [v["name"] for v in spec.get("volumes") or () if "hostPath" in v]
    if not which:
        return None
    return "hostPath volumes", f"volume{'s' if len(which) > 1 else ''} " + ", ".join(f'"{n}"' for n in which)


def _host_ports(metadata: Obj, spec: Obj) -> Violation | None:
    which = _where(spec, lambda c: any(p.get("hostPort") for p in c.get("ports") or ()))
    if not which:
        return None
    ports = sorted({p["hostPort"] for c in containers(spec) for p in c.get("ports") or () if p.get("hostPort")})
    plural = "s" if len(ports) > 1 else ""
    verb = "use" if len(which) > 1 else "uses"
    return "hostPort", f"{_named(which)} {verb} hostPort{plural} {', '.join(map(str, ports))}"


def _apparmor(metadata: Obj, spec: Obj) -> Violation | None:
    found = []
    for key, value in sorted((metadata.get("annotations") or {}).items()):
        allowed = value in ("", "runtime/default") or value.startswith("localhost/")
        if key.startswith(_APPARMOR) and not allowed:
            found.append(f'annotation "{key}"="{value}"')
    for label, holder in _holders(spec):
        if (_context(holder).get("appArmorProfile") or {}).get("type") == "Unconfined":
            found.append(f'{label} must not set AppArmor profile type to "Unconfined"')
    return ("forbidden AppArmor profile" + ("s" if len(found) > 1 else ""), ", ".join(found)) if found else None


def _selinux(metadata: Obj, spec: Obj) -> Violation | None:
    found = []
    for label, holder in _holders(spec):
        options = _context(holder).get("seLinuxOptions") or {}
        if options.get("type", "") not in _SELINUX_TYPES:
            found.append(f'{label} set forbidden securityContext.seLinuxOptions: type "{options["type"]}"')
        found += [
            f"{label} set forbidden securityContext.seLinuxOptions: {f} may not be set"
            for f in ("user", "role")
            if options.get(f)
        ]
    return ("seLinuxOptions", "; ".join(found)) if found else None


def _proc_mount(metadata: Obj, spec: Obj) -> Violation | None:
    if spec.get("hostUsers") is False:
        return None
    which = _where(spec, lambda c: _context(c).get("procMount", "Default") != "Default")
    return ("procMount", _named(which, last=' must not set securityContext.procMount to "Unmasked"')) if which else None


def _seccomp_baseline(metadata: Obj, spec: Obj) -> Violation | None:
    found = []
    for label, holder in _holders(spec):
        if (_context(holder).get("seccompProfile") or {}).get("type") == "Unconfined":
            found.append(f'{label} must not set securityContext.seccompProfile.type to "Unconfined"')
    return ("seccompProfile", ", ".join(found)) if found else None


def _sysctls(metadata: Obj, spec: Obj) -> Violation | None:
    found = [s["name"] for s in _context(spec).get("sysctls") or () if s["name"] not in _SAFE_SYSCTLS]
    return ("forbidden sysctls", ", ".join(found)) if found else None


def _host_process(metadata: Obj, spec: Obj) -> Violation | None:
    which = _where(spec, lambda c: bool((_context(c).get("windowsOptions") or {}).get("hostProcess")))
    on_pod = (_context(spec).get("windowsOptions") or {}).get("hostProcess")
    if not which and not on_pod:
        return None
    label = ("pod and " if on_pod and which else "pod" if on_pod else "") + (_named(which) if which else "")
    return "hostProcess", f"{label} must not set securityContext.windowsOptions.hostProcess=true"


def _host_probes(metadata: Obj, spec: Obj) -> Violation | None:
    found = []
    for container in containers(spec):
        lifecycle = container.get("lifecycle") or {}
        actions = [container.get(p) or {} for p in ("livenessProbe", "readinessProbe", "startupProbe")]
        actions += [lifecycle.get(h) or {} for h in ("postStart", "preStop")]
        if any((a.get(k) or {}).get("host") for a in actions for k in ("httpGet", "tcpSocket")):
            found.append(container["name"])
    return (
        ("probe or lifecycle host", _named(found, last=" uses hosts in a probe or lifecycle hook")) if found else None
    )


def _restricted_volumes(metadata: Obj, spec: Obj) -> Violation | None:
    wrong = [(v["name"], k) for v in spec.get("volumes") or () for k in v if k != "name" and k not in _VOLUMES]
    if not wrong:
        return None
    names, types = [n for n, _ in wrong], sorted({t for _, t in wrong})
    shown = ", ".join(f'"{n}"' for n in names)
    verb, plural = ("use", "s") if len(names) > 1 else ("uses", "")
    kinds = ", ".join(f'"{t}"' for t in types)
    return (
        "restricted volume types",
        f"volume{plural} {shown} {verb} restricted volume type{'s' if len(types) > 1 else ''} {kinds}",
    )


def _windows(spec: Obj) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"


def _escalation(metadata: Obj, spec: Obj) -> Violation | None:
    if _windows(spec):
        return None
    which = _where(spec, lambda c: _context(c).get("allowPrivilegeEscalation") is not False)
    detail = _named(which, last=" must set securityContext.allowPrivilegeEscalation=false") if which else ""
    return ("allowPrivilegeEscalation != false", detail) if which else None


def _run_as_non_root(metadata: Obj, spec: Obj) -> Violation | None:
    if spec.get("hostUsers") is False:
        return None
    on_pod = _context(spec).get("runAsNonRoot")
    false = _where(spec, lambda c: _context(c).get("runAsNonRoot") is False)
    unset = _where(spec, lambda c: _context(c).get("runAsNonRoot") is None)
    if false or (on_pod is False and unset):
        who = " and ".join(filter(None, ["pod" if on_pod is False else "", _named(false) if false else ""]))
        return "runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false"
    if unset and not on_pod:
        return "runAsNonRoot != true", f"pod or {_named(unset)} must set securityContext.runAsNonRoot=true"
    return None


def _run_as_user(metadata: Obj, spec: Obj) -> Violation | None:
    if spec.get("hostUsers") is False:
        return None
    which = _where(spec, lambda c: _context(c).get("runAsUser") == 0)
    on_pod = _context(spec).get("runAsUser") == 0
    if not which and not on_pod:
        return None
    who = " and ".join(filter(None, ["pod" if on_pod else "", _named(which) if which else ""]))
    return "runAsUser=0", f"{who} must not set runAsUser=0"


def _seccomp_restricted(metadata: Obj, spec: Obj) -> Violation | None:
    if _windows(spec):
        return None
    allowed = ("RuntimeDefault", "Localhost")
    on_pod = (_context(spec).get("seccompProfile") or {}).get("type")

    def kind(container: Obj) -> str | None:
        profile: str | None = (_context(container).get("seccompProfile") or {}).get("type")
        return profile

    wrong = _where(spec, lambda c: kind(c) not in (None, *allowed))
    unset = _where(spec, lambda c: kind(c) is None)
    if on_pod not in (None, *allowed) or wrong:
        who = " and ".join(
            filter(None, ["pod" if on_pod not in (None, *allowed) else "", _named(wrong) if wrong else ""])
        )
        return "seccompProfile", f'{who} must not set securityContext.seccompProfile.type to "Unconfined"'
    if unset and on_pod is None:
        detail = (
            f'pod or {_named(unset)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        )
        return "seccompProfile", detail
    return None


def _capabilities_restricted(metadata: Obj, spec: Obj) -> Violation | None:
    if _windows(spec):
        return None

    def capabilities(container: Obj, field: str) -> set[str]:
        return set((_context(container).get("capabilities") or {}).get(field) or ())

    keeps = _where(spec, lambda c: "ALL" not in capabilities(c, "drop"))
    adds = _where(spec, lambda c: bool(capabilities(c, "add") - {"NET_BIND_SERVICE"}))
    details = []
    if keeps:
        details.append(_named(keeps, last=' must set securityContext.capabilities.drop=["ALL"]'))
    if adds:
        every = sorted({cap for c in containers(spec) for cap in capabilities(c, "add") - {"NET_BIND_SERVICE"}})
        caps = ", ".join(f'"{c}"' for c in every)
        details.append(_named(adds, last=f" must not include {caps} in securityContext.capabilities.add"))
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def _holders(spec: Obj) -> Iterator[tuple[str, Obj]]:
    yield "pod", spec
    for container in containers(spec):
        yield f'container "{container["name"]}"', container


_SHARED: tuple[Control, ...] = (
    _apparmor, _host_namespaces, _host_probes, _host_ports, _host_process, _privileged, _proc_mount, _selinux, _sysctls
)  # fmt: skip
LEVELS: dict[str, tuple[Control, ...]] = {
    "privileged": (),
    "baseline": (*_SHARED, _capabilities_baseline, _host_path, _seccomp_baseline),
    # Restricted's own controls replace baseline's where they say more.
    "restricted": (
        *_SHARED, _escalation, _capabilities_restricted, _restricted_volumes, _run_as_non_root, _run_as_user, _seccomp_restricted
    ),
}  # fmt: skip
