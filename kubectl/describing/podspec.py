"""Containers, volumes and the rest of a pod's spec: in a pod with their states, in a template without."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page, plain, when
from pocketkube.api.meta import quantity, selectors

Obj = dict[str, Any]


def containers(page: Page, title: str, found: list[Obj], statuses: list[Obj], *, pod: Obj | None = None) -> None:
    """Of a pod with their states, of a template (no `pod`) without."""
    page.line(title, level=0 if pod else 1)
    by_name = {s["name"]: s for s in statuses}
    for container in found:
        page.line(f"{'  ' if pod else '   '}{container['name']}:")
        _container(page, container, by_name.get(container["name"]), pod=pod)


def _container(page: Page, c: Obj, status: Obj | None, *, pod: Obj | None) -> None:
    def line(*cells: object) -> None:
        page.line(*cells, level=2)

    if status:
        line("Container ID:", status.get("containerID", ""))
    line("Image:", c.get("image", ""))
    if status:
        line("Image ID:", status.get("imageID", ""))
    many = "s" if len(c.get("ports") or ()) > 1 else ""
    line(f"Port{many}:", _ports(c, "containerPort"))
    line(f"Host Port{many}:", _ports(c, "hostPort"))
    if (c.get("securityContext") or {}).get("seccompProfile"):
        line("SeccompProfile:", c["securityContext"]["seccompProfile"].get("type", ""))
    for title, said in (("Command:", c.get("command")), ("Args:", c.get("args"))):
        if said:
            line(title)
            for word in said:
                for row in word.split("\n"):
                    page.line(row, level=3)
    if status:
        _state(page, "State:", status.get("state") or {})
        if (status.get("lastState") or {}).get("terminated"):
            _state(page, "Last State:", status["lastState"])
        line("Ready:", status.get("ready", False))
        line("Restart Count:", status.get("restartCount", 0))
    for title in ("limits", "requests"):
        amounts = (c.get("resources") or {}).get(title)
        if amounts:
            line(f"{title.capitalize()}:")
            for name, amount in sorted(amounts.items()):
                page.line(f"{name}:", amount, level=3)
    for probe in ("liveness", "readiness", "startup"):
        if c.get(f"{probe}Probe"):
            line(f"{probe.capitalize()}:", _probe(c[f"{probe}Probe"]))
    _environment(page, c, pod)
    mounts = c.get("volumeMounts") or []
    line("Mounts:", *([] if mounts else ["<none>"]))
    for m in sorted(mounts, key=lambda m: m["mountPath"]):
        flags = ["ro" if m.get("readOnly") else "rw", *([f'path="{m["subPath"]}"'] if m.get("subPath") else [])]
        page.line(f"{m['mountPath']} from {m['name']} ({','.join(flags)})", level=3)
    devices = c.get("volumeDevices") or []
    if devices:
        line("Devices:")
    for d in sorted(devices, key=lambda d: d["devicePath"]):
        page.line(f"{d['devicePath']} from {d['name']}", level=3)


def _ports(c: Obj, member: str) -> str:
    def one(p: Obj) -> str:
        name = f" ({p['name']})" if p.get("name") else ""
        return f"{p.get(member, 0)}/{p.get('protocol', 'TCP')}{name}"

    return ", ".join(one(p) for p in c.get("ports") or ()) or "<none>"


def _environment(page: Page, c: Obj, pod: Obj | None) -> None:
    sources = c.get("envFrom") or []
    if sources:
        page.line("Environment Variables from:", level=2)
        for s in sources:
            kind = "ConfigMap" if "configMapRef" in s else "Secret"
            ref = s.get("configMapRef") or s.get("secretRef") or {}
            prefix = f" with prefix '{s['prefix']}'" if s.get("prefix") else ""
            optional = f"Optional: {str(ref.get('optional', False)).lower()}"
            page.line(ref.get("name", ""), f"{kind}{prefix}", optional, level=3)
    env = c.get("env") or []
    page.line("Environment:", *([] if env else ["<none>"]), level=2)
    for e in env:
        if "valueFrom" not in e:
            rows = str(e.get("value", "")).split("\n")
            page.line(f"{e['name']}:", rows[0], level=3)
            for row in rows[1:]:
                page.line("", row, level=3)
        else:
            page.line(f"{e['name']}:", *_value(e["valueFrom"], c, pod), level=3)


def _value(source: Obj, container: Obj, pod: Obj | None) -> tuple[str, ...]:
    if "fieldRef" in source:
        ref = source["fieldRef"]
        return (f"{_field(pod, ref['fieldPath'])} ({ref.get('apiVersion', 'v1')}:{ref['fieldPath']})",)
    if "resourceFieldRef" in source:
        ref = source["resourceFieldRef"]
        return (f"{_resource(container, ref) if pod else ''} ({ref['resource']})",)
    for member, where in (("configMapKeyRef", "of config map"), ("secretKeyRef", "in secret")):
        if member in source:
            ref = source[member]
            said = f"<set to the key '{ref['key']}' {where} '{ref.get('name', '')}'>"
            return said, f"Optional: {str(ref.get('optional', False)).lower()}"
    return ("",)


def _field(pod: Obj | None, path: str) -> str:
    """What a pod's own field says, as its container gets it."""
    if pod is None:
        return ""
    base, _, key = path.partition("['")
    value: Any = pod
    for part in base.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if key:
        value = (value or {}).get(key.removesuffix("']"))
    if isinstance(value, dict):
        return "\n".join(f'{k}="{v}"' for k, v in sorted(value.items()))
    return "" if value is None else str(value)


def _resource(container: Obj, ref: Obj) -> str:
    """Limits and requests in whole units or in those of the divisor, rounded up."""
    kind, _, name = ref["resource"].partition(".")
    amount = ((container.get("resources") or {}).get(kind) or {}).get(name)
    if amount is None:
        return "0"
    divisor = str(ref.get("divisor") or "1")
    if name == "cpu":
        step = 1000 if divisor in ("0", "1") else quantity.milli(divisor)
        return str(-(-quantity.milli(str(amount)) // step))
    return str(-(-quantity.value(str(amount)) // (1 if divisor == "0" else quantity.value(divisor) or 1)))


def _probe(p: Obj) -> str:
    attributes = (
        f"delay={p.get('initialDelaySeconds', 0)}s timeout={p.get('timeoutSeconds', 1)}s period={p.get('periodSeconds', 10)}s "
        f"successThreshold={p.get('successThreshold', 1)} failureThreshold={p.get('failureThreshold', 3)}"
    )
    if "exec" in p:
        return f"exec [{' '.join(p['exec'].get('command') or ())}] {attributes}"
    if "httpGet" in p:
        g = p["httpGet"]
        path = g.get("path", "")
        path = path if path.startswith("/") or not path else f"/{path}"
        return f"http-get {g.get('scheme', 'HTTP').lower()}://{g.get('host', '')}:{g['port']}{path} {attributes}"
    if "tcpSocket" in p:
        return f"tcp-socket {p['tcpSocket'].get('host', '')}:{p['tcpSocket']['port']} {attributes}"
    if "grpc" in p:
        return f"grpc <pod>:{p['grpc']['port']} {p['grpc'].get('service', '')} {attributes}"
    return f"unknown {attributes}"


def _state(page: Page, title: str, state: Obj) -> None:
    if "running" in state:
        page.line(title, "Running", level=2)
        page.line("Started:", when(state["running"].get("startedAt")), level=3)
    elif "terminated" in state:
        t = state["terminated"]
        page.line(title, "Terminated", level=2)
        for name in ("reason", "message"):
            if t.get(name):
                page.line(f"{name.capitalize()}:", t[name], level=3)
        page.line("Exit Code:", t.get("exitCode", 0), level=3)
        if t.get("signal"):
            page.line("Signal:", t["signal"], level=3)
        page.line("Started:", when(t.get("startedAt")), level=3)
        page.line("Finished:", when(t.get("finishedAt")), level=3)
    else:
        page.line(title, "Waiting", level=2)
        for name in ("reason", "message"):
            if (state.get("waiting") or {}).get(name):
                page.line(f"{name.capitalize()}:", state["waiting"][name], level=3)


# kind of volume: what it is in words, and (title, member, what stands where it is not said)
VOLUMES: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "configMap": (
        "ConfigMap (a volume populated by a ConfigMap)",
        (("Name:", "name", ""), ("Optional:", "optional", "false")),
    ),
    "secret": (
        "Secret (a volume populated by a Secret)",
        (("SecretName:", "secretName", ""), ("Optional:", "optional", "false")),
    ),
    "emptyDir": (
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        (("Medium:", "medium", ""), ("SizeLimit:", "sizeLimit", "<unset>")),
    ),
    "hostPath": ("HostPath (bare host directory volume)", (("Path:", "path", ""), ("HostPathType:", "type", ""))),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName:", "claimName", ""), ("ReadOnly:", "readOnly", "false")),
    ),
    "nfs": (
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        (("Server:", "server", ""), ("Path:", "path", ""), ("ReadOnly:", "readOnly", "false")),
    ),
    "csi": (
        "CSI (a Container Storage Interface (CSI) volume source)",
        (("Driver:", "driver", ""), ("FSType:", "fsType", ""), ("ReadOnly:", "readOnly", "false")),
    ),
    "image": (
        "Image (a container image or OCI artifact)",
        (("Reference:", "reference", ""), ("PullPolicy:", "pullPolicy", "")),
    ),
    "local": ("LocalVolume (a persistent volume backed by local storage on a node)", (("Path:", "path", ""),)),
    "ephemeral": (
        "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)",
        (),
    ),
    "downwardAPI": ("DownwardAPI (a volume populated by information about the pod)", ()),
    "projected": ("Projected (a volume that contains injected data from multiple sources)", ()),
}


def volumes(page: Page, spec: Obj, *, in_pod: bool = False) -> None:
    found = spec.get("volumes") or []
    page.line("Volumes:", *([] if found else ["<none>"]), level=0 if in_pod else 1)
    for volume in found:
        page.line(f"{'  ' if in_pod else '   '}{volume['name']}:")
        source(page, {k: v for k, v in volume.items() if k != "name"})


def source(page: Page, volume: Obj) -> None:
    """What is behind a volume, of a pod or a persistent one: `volume` has one member of VOLUMES among others."""
    kind = next((k for k in VOLUMES if k in volume), "")
    if not kind:
        page.line(next(iter(volume), "<unknown>"), level=2)
        return
    about = volume[kind] or {}
    said, rows = VOLUMES[kind]
    page.line("Type:", said, level=2)
    for title, member, unset in rows:
        page.line(title, plain(about[member]) if member in about else unset, level=2)
    if kind == "csi":
        page.pairs("VolumeAttributes:", about.get("volumeAttributes"), level=2)
    elif kind == "ephemeral":
        _claim(page, about.get("volumeClaimTemplate") or {})
    elif kind == "downwardAPI":
        page.line("Items:", level=2)
        for item in about.get("items") or ():
            ref = item.get("fieldRef", {}).get("fieldPath") or item.get("resourceFieldRef", {}).get("resource", "")
            page.line(f"{ref} -> {item['path']}", level=3)
    for each in about.get("sources") or ():
        _projected(page, each)


def _claim(page: Page, template: Obj) -> None:
    spec, meta = template.get("spec") or {}, template.get("metadata") or {}
    page.line("StorageClass:", spec.get("storageClassName") or "", level=2)
    page.line("Volume:", spec.get("volumeName", ""), level=2)
    for title, member in (("Labels:", "labels"), ("Annotations:", "annotations")):
        said = ",".join(f"{k}={v}" for k, v in sorted((meta.get(member) or {}).items()))
        page.line(title, f"    {said or '<none>'}", level=2)
    page.line("Capacity:", "", level=2)
    page.line("Access Modes:", "", level=2)
    page.line("VolumeMode:", spec.get("volumeMode") or "Filesystem", level=2)


def _projected(page: Page, source: Obj) -> None:
    if "serviceAccountToken" in source:
        page.line("TokenExpirationSeconds:", source["serviceAccountToken"].get("expirationSeconds", 3600), level=2)
    elif "configMap" in source:
        page.line("ConfigMapName:", source["configMap"].get("name"), level=2)
        page.line("Optional:", plain(source["configMap"].get("optional", False)), level=2)
    elif "secret" in source:
        page.line("SecretName:", source["secret"].get("name"), level=2)
        page.line("Optional:", plain(source["secret"].get("optional", False)), level=2)
    elif "downwardAPI" in source:
        page.line("DownwardAPI:", "true", level=2)


def tolerations(page: Page, spec: Obj, *, level: int = 0) -> None:
    found = sorted(spec.get("tolerations") or (), key=lambda t: str(t.get("key", "")))
    rows = [_toleration(t) for t in found] or ["<none>"]
    page.line("Tolerations:", rows[0], level=level)
    for row in rows[1:]:
        page.line("", row, level=level)


def _toleration(t: Obj) -> str:
    text: str = t.get("key", "")
    if t.get("value"):
        text += f"={t['value']}"
    if t.get("effect"):
        text += f":{t['effect']}"
    if t.get("operator") == "Exists" and not t.get("value"):
        text += " op=Exists" if t.get("key") else "op=Exists"
    if t.get("tolerationSeconds") is not None:
        text += f" for {t['tolerationSeconds']}s"
    return text


def template(page: Page, t: Obj) -> None:
    """A pod template below its owner's own lines."""
    page.line("Pod Template:")
    spec, meta = t.get("spec") or {}, t.get("metadata") or {}
    page.pairs("Labels:", meta.get("labels"), level=1)
    if meta.get("annotations"):
        page.pairs("Annotations:", meta["annotations"], separator=": ", level=1)
    if spec.get("serviceAccountName"):
        page.line("Service Account:", spec["serviceAccountName"], level=1)
    if spec.get("initContainers"):
        containers(page, "Init Containers:", spec["initContainers"], [])
    containers(page, "Containers:", spec.get("containers") or [], [])
    volumes(page, spec)
    if spec.get("topologySpreadConstraints"):
        spreading(page, spec, level=1)
    if spec.get("priorityClassName"):
        page.line("Priority Class Name:", spec["priorityClassName"], level=1)
    page.pairs("Node-Selectors:", spec.get("nodeSelector"), level=1)
    tolerations(page, spec, level=1)


def spreading(page: Page, spec: Obj, *, level: int = 0) -> None:
    rows = [
        f"{c['topologyKey']}:{c['whenUnsatisfiable']} when max skew {c['maxSkew']} is exceeded for selector "
        f"{selectors.format_label_selector(c.get('labelSelector')) or '<none>'}"
        for c in spec.get("topologySpreadConstraints") or ()
    ]
    for index, row in enumerate(sorted(rows)):
        page.line("" if index else "Topology Spread Constraints:", row, level=level)


def amounts(pod: Obj) -> dict[tuple[str, str], int]:
    """By (requests or limits, resource): millicores of cpu, whole units of all else. Init containers count where they ask for more."""
    found: dict[tuple[str, str], int] = {}
    for kind in ("requests", "limits"):
        for c in pod["spec"].get("containers") or ():
            for name, amount in _asked(c, kind).items():
                found[kind, name] = found.get((kind, name), 0) + amount
        for c in pod["spec"].get("initContainers") or ():
            for name, amount in _asked(c, kind).items():
                found[kind, name] = max(found.get((kind, name), 0), amount)
        for name, amount in ((pod["spec"].get("overhead") or {}) if kind == "requests" else {}).items():
            found[kind, name] = found.get((kind, name), 0) + _number(name, amount)
    return found


def _asked(container: Obj, kind: str) -> dict[str, int]:
    said = (container.get("resources") or {}).get(kind) or {}
    return {name: _number(name, amount) for name, amount in said.items()}


def _number(name: str, amount: object) -> int:
    return quantity.milli(str(amount)) if name == "cpu" else quantity.value(str(amount))
