"""Containers, volumes and the rest of a pod's spec: in a pod with their states, in a template without."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page, when
from pocketkube.api.meta import quantity

Obj = dict[str, Any]


def containers(page: Page, title: str, found: list[Obj], statuses: list[Obj], *, level: int = 0) -> None:
    page.line(title, level=level)
    by_name = {s["name"]: s for s in statuses}
    for container in found:
        page.line(f"{container['name']}:", level=level + 1)
        _container(page, container, by_name.get(container["name"]), level=level + 2)


def _container(page: Page, c: Obj, status: Obj | None, *, level: int) -> None:
    def line(*cells: object) -> None:
        page.line(*cells, level=level)

    if status:
        line("Container ID:", status.get("containerID", ""))
    line("Image:", c.get("image", ""))
    if status:
        line("Image ID:", status.get("imageID", ""))
    ports = [f"{p['containerPort']}/{p.get('protocol', 'TCP')}" for p in c.get("ports") or ()]
    hosts = [f"{p.get('hostPort', 0)}/{p.get('protocol', 'TCP')}" for p in c.get("ports") or ()]
    line("Ports:" if len(ports) > 1 else "Port:", ", ".join(ports) or "<none>")
    line("Host Ports:" if len(ports) > 1 else "Host Port:", ", ".join(hosts) or "<none>")
    for title, words in (("Command:", c.get("command")), ("Args:", c.get("args"))):
        if words:
            line(title)
            for word in words:
                for row in word.splitlines() or [""]:
                    page.line(row, level=level + 1)
    if status:
        _state(page, "State:", status.get("state") or {}, level=level)
        if status.get("lastState"):
            _state(page, "Last State:", status["lastState"], level=level)
        line("Ready:", status.get("ready", False))
        line("Restart Count:", status.get("restartCount", 0))
    for title in ("limits", "requests"):
        amounts = (c.get("resources") or {}).get(title)
        if amounts:
            line(f"{title.capitalize()}:")
            for name, amount in sorted(amounts.items()):
                page.line(f"{name}:", amount, level=level + 1)
    for probe in ("liveness", "readiness", "startup"):
        if c.get(f"{probe}Probe"):
            line(f"{probe.capitalize()}:", _probe(c[f"{probe}Probe"]))
    _environment(page, c, level=level)
    mounts = c.get("volumeMounts") or []
    line("Mounts:", "" if mounts else "<none>")
    for m in sorted(mounts, key=lambda m: m["mountPath"]):
        flags = ["ro" if m.get("readOnly") else "rw", *([f'path="{m["subPath"]}"'] if m.get("subPath") else [])]
        page.line(f"{m['mountPath']} from {m['name']} ({','.join(flags)})", level=level + 1)


def _environment(page: Page, c: Obj, *, level: int) -> None:
    sources = c.get("envFrom") or []
    if sources:
        page.line("Environment Variables from:", level=level)
        for s in sources:
            kind = "ConfigMap" if "configMapRef" in s else "Secret"
            ref = s.get("configMapRef") or s.get("secretRef") or {}
            page.line(
                ref.get("name", ""), f"{kind}  Optional: {str(ref.get('optional', False)).lower()}", level=level + 1
            )
    env = c.get("env") or []
    page.line("Environment:", "" if env else "<none>", level=level)
    for e in env:
        page.line(f"{e['name']}:", _value(e), level=level + 1)


def _value(e: Obj) -> str:
    source = e.get("valueFrom") or {}
    if "fieldRef" in source:
        ref = source["fieldRef"]
        return f" ({ref.get('apiVersion', 'v1')}:{ref['fieldPath']})"
    if "resourceFieldRef" in source:
        return f" ({source['resourceFieldRef']['resource']})"
    for member, kind in (("configMapKeyRef", "config map"), ("secretKeyRef", "secret")):
        if member in source:
            ref = source[member]
            where = (
                f"<set to the key '{ref['key']}' of {kind} '{ref['name']}'>"
                if kind == "config map"
                else (f"<set to the key '{ref['key']}' in secret '{ref['name']}'>")
            )
            return f"{where}  Optional: {str(ref.get('optional', False)).lower()}"
    return str(e.get("value", ""))


def _probe(p: Obj) -> str:
    attributes = (
        f"delay={p.get('initialDelaySeconds', 0)}s timeout={p.get('timeoutSeconds', 1)}s period={p.get('periodSeconds', 10)}s "
        f"#success={p.get('successThreshold', 1)} #failure={p.get('failureThreshold', 3)}"
    )
    if "exec" in p:
        return f"exec [{' '.join(p['exec'].get('command') or ())}] {attributes}"
    if "httpGet" in p:
        g = p["httpGet"]
        return f"http-get {g.get('scheme', 'HTTP').lower()}://{g.get('host', '')}:{g['port']}{g.get('path', '/')} {attributes}"
    if "tcpSocket" in p:
        return f"tcp-socket {p['tcpSocket'].get('host', '')}:{p['tcpSocket']['port']} {attributes}"
    if "grpc" in p:
        return f"grpc <pod>:{p['grpc']['port']} {p['grpc'].get('service', '')} {attributes}"
    return f"unknown {attributes}"


def _state(page: Page, title: str, state: Obj, *, level: int) -> None:
    if "running" in state:
        page.line(title, "Running", level=level)
        page.line("Started:", when(state["running"].get("startedAt")), level=level + 1)
    elif "terminated" in state:
        t = state["terminated"]
        page.line(title, "Terminated", level=level)
        for name, value in (("Reason:", t.get("reason")), ("Message:", t.get("message"))):
            if value:
                page.line(name, value, level=level + 1)
        page.line("Exit Code:", t.get("exitCode", 0), level=level + 1)
        page.line("Started:", when(t.get("startedAt")), level=level + 1)
        page.line("Finished:", when(t.get("finishedAt")), level=level + 1)
    else:
        page.line(title, "Waiting", level=level)
        if (state.get("waiting") or {}).get("reason"):
            page.line("Reason:", state["waiting"]["reason"], level=level + 1)


VOLUMES = {
    "configMap": ("ConfigMap (a volume populated by a ConfigMap)", (("Name:", "name"), ("Optional:", "optional"))),
    "secret": ("Secret (a volume populated by a Secret)", (("SecretName:", "secretName"), ("Optional:", "optional"))),
    "emptyDir": (
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        (("Medium:", "medium"), ("SizeLimit:", "sizeLimit")),
    ),
    "hostPath": ("HostPath (bare host directory volume)", (("Path:", "path"), ("HostPathType:", "type"))),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName:", "claimName"), ("ReadOnly:", "readOnly")),
    ),
    "downwardAPI": ("DownwardAPI (a volume populated by information about the pod)", ()),
    "projected": ("Projected (a volume that contains injected data from multiple sources)", ()),
}
UNSET = {"Optional:": "false", "Medium:": "", "SizeLimit:": "<unset>", "ReadOnly:": "false", "HostPathType:": ""}


def volumes(page: Page, spec: Obj, *, level: int = 0) -> None:
    found = spec.get("volumes") or []
    page.line("Volumes:", *([] if found else ["<none>"]), level=level)
    for volume in found:
        page.line(f"{volume['name']}:", level=level + 1)
        kind = next((k for k in VOLUMES if k in volume), "")
        if not kind:
            page.line("Type:", next((k for k in volume if k != "name"), "unknown"), level=level + 2)
            continue
        words, rows = VOLUMES[kind]
        page.line("Type:", words, level=level + 2)
        for title, member in rows:
            value = volume[kind].get(member)
            page.line(
                title,
                UNSET.get(title, "") if value is None else str(value).lower() if isinstance(value, bool) else value,
                level=level + 2,
            )
        for source in volume[kind].get("sources") or ():
            _projected(page, source, level=level + 2)


def _projected(page: Page, source: Obj, *, level: int) -> None:
    if "serviceAccountToken" in source:
        page.line("TokenExpirationSeconds:", source["serviceAccountToken"].get("expirationSeconds", 3600), level=level)
    elif "configMap" in source:
        page.line("ConfigMapName:", source["configMap"].get("name"), level=level)
        page.line("Optional:", str(source["configMap"].get("optional", False)).lower(), level=level)
    elif "secret" in source:
        page.line("SecretName:", source["secret"].get("name"), level=level)
    elif "downwardAPI" in source:
        page.line("DownwardAPI:", "true", level=level)


def tolerations(page: Page, spec: Obj, *, level: int = 0) -> None:
    rows = [_toleration(t) for t in spec.get("tolerations") or ()] or ["<none>"]
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


def template(page: Page, t: Obj, *, level: int = 0) -> None:
    """A pod template below its owner's own lines."""
    page.line("Pod Template:", level=level)
    spec, meta = t.get("spec") or {}, t.get("metadata") or {}
    page.pairs("Labels:", meta.get("labels"), level=level + 1)
    if meta.get("annotations"):
        page.pairs("Annotations:", meta["annotations"], separator=": ", level=level + 1)
    if spec.get("serviceAccountName"):
        page.line("Service Account:", spec["serviceAccountName"], level=level + 1)
    if spec.get("initContainers"):
        containers(page, "Init Containers:", spec["initContainers"], [], level=level + 1)
    containers(page, "Containers:", spec.get("containers") or [], [], level=level + 1)
    volumes(page, spec, level=level + 1)
    page.line("Node-Selectors:", _selector(spec), level=level + 1)
    tolerations(page, spec, level=level + 1)


def _selector(spec: Obj) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((spec.get("nodeSelector") or {}).items())) or "<none>"


def amounts(pod: Obj) -> dict[str, tuple[int, int, int, int]]:
    """(cpu request, cpu limit, memory request, memory limit): millicores and bytes, summed over containers."""
    sums = [0, 0, 0, 0]
    for c in pod["spec"].get("containers") or ():
        r = c.get("resources") or {}
        for index, (kind, name) in enumerate(
            (("requests", "cpu"), ("limits", "cpu"), ("requests", "memory"), ("limits", "memory"))
        ):
            amount = (r.get(kind) or {}).get(name)
            if amount:
                sums[index] += quantity.milli(str(amount)) if name == "cpu" else quantity.value(str(amount))
    return {pod["metadata"]["name"]: (sums[0], sums[1], sums[2], sums[3])}
