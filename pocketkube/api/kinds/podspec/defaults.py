"""A pod spec is filled in place with what upstream fills in. Idempotent; runs on every write, so it is plain dict code."""

from __future__ import annotations

import re
from typing import Any

from pocketkube.base.kept import remembered

Obj = dict[str, Any]

FILE_MODE = 0o644
TOKEN_SECONDS = 3600


def template(template: Obj) -> None:
    """A pod template of a workload."""
    if template.get("metadata") is None:
        template["metadata"] = {}
    spec = template.get("spec")
    if spec is None:
        spec = template["spec"] = {}
    pod_spec(spec)


def pod_spec(spec: Obj) -> None:
    """What holds for pods and templates alike."""
    get = spec.get
    if not get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if get("securityContext") is None:
        spec["securityContext"] = {}
    if get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    if not get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    if account := get("serviceAccountName") or get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if get(name) is False:
            del spec[name]
    for name in ("containers", "initContainers", "ephemeralContainers"):
        if containers := get(name):
            for container in containers:
                _container(container)
    if volumes := get("volumes"):
        for volume in volumes:
            _volume(volume)


def pod(spec: Obj) -> None:
    """What holds for a Pod's own spec only, never for a template's."""
    pod_spec(spec)
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            if limits := container["resources"].get("limits"):
                requests = container["resources"].get("requests")
                container["resources"]["requests"] = {**limits, **(requests or {})}
    if (resources := spec.get("resources")) and resources.get("limits"):
        _pod_level_requests(spec, resources)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        _host_ports(spec)


def _pod_level_requests(spec: Obj, resources: Obj) -> None:
    """Requests of the whole pod: what its containers ask for together, else the pod's own limits."""
    from pocketkube.api.kinds.podspec.resources import aggregate_requests

    requests = dict(resources.get("requests") or {})
    for name, amount in aggregate_requests(spec).items():
        if name in ("cpu", "memory"):
            requests.setdefault(name, amount)
    for name, amount in resources["limits"].items():
        requests.setdefault(name, amount)
    resources["requests"] = requests


def _host_ports(spec: Obj) -> None:
    """On the host's network a container's port is the host's port."""
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)


# A host with its port, then lower-case parts, then a tag: what no registry could name has no tag either.
_NAME = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9._-]+(?:/[a-z0-9._-]+)*(?::[\w.-]+)?", re.ASCII)


@remembered(4096)
def pull_policy(image: str) -> str:
    """Always for the tag `latest`, said or meant; IfNotPresent for any other tag and for a digest."""
    if not image or "@" in image or not _NAME.fullmatch(image):
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _container(container: Obj) -> None:
    get = container.get
    if not get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(get("image") or "")
    if not get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    if get("resources") is None:
        container["resources"] = {}
    if ports := get("ports"):
        for port in ports:
            if not port.get("protocol"):
                port["protocol"] = "TCP"
    if env := get("env"):
        for variable in env:
            if source := variable.get("valueFrom"):
                _env_source(source)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := get(name)) is not None:
            _probe(probe)
    if lifecycle := get("lifecycle"):
        for name in ("postStart", "preStop"):
            if (handler := lifecycle.get(name)) and (http := handler.get("httpGet")) is not None:
                _http(http)
    if (security := get("securityContext")) and security.get("procMount") == "":
        del security["procMount"]


def _env_source(source: Obj) -> None:
    if (ref := source.get("fieldRef")) is not None and not ref.get("apiVersion"):
        ref["apiVersion"] = "v1"
    if (ref := source.get("resourceFieldRef")) is not None and not ref.get("divisor"):
        ref["divisor"] = "0"
    if (ref := source.get("fileKeyRef")) is not None and ref.get("optional") is None:
        ref["optional"] = False


def _probe(probe: Obj) -> None:
    get = probe.get
    if not get("timeoutSeconds"):
        probe["timeoutSeconds"] = 1
    if not get("periodSeconds"):
        probe["periodSeconds"] = 10
    if not get("successThreshold"):
        probe["successThreshold"] = 1
    if not get("failureThreshold"):
        probe["failureThreshold"] = 3
    if (http := get("httpGet")) is not None:
        _http(http)
    if (grpc := get("grpc")) is not None and grpc.get("service") is None:
        grpc["service"] = ""


def _http(http: Obj) -> None:
    if not http.get("path"):
        http["path"] = "/"
    if not http.get("scheme"):
        http["scheme"] = "HTTP"


def _volume(volume: Obj) -> None:
    if len(volume) == 1 and "name" in volume:
        volume["emptyDir"] = {}
        return
    for source, fill in _VOLUMES.items():
        if (found := volume.get(source)) is not None:
            fill(found)


def _moded(source: Obj) -> None:
    if source.get("defaultMode") is None:
        source["defaultMode"] = FILE_MODE


def _downward(source: Obj) -> None:
    _moded(source)
    _downward_items(source)


def _downward_items(source: Obj) -> None:
    for item in source.get("items") or ():
        _env_source(item)


def _projected(source: Obj) -> None:
    _moded(source)
    for projection in source.get("sources") or ():
        if (token := projection.get("serviceAccountToken")) is not None and token.get("expirationSeconds") is None:
            token["expirationSeconds"] = TOKEN_SECONDS
        if downward := projection.get("downwardAPI"):
            _downward_items(downward)


def _host_path(source: Obj) -> None:
    if source.get("type") is None:
        source["type"] = ""


def _ephemeral(source: Obj) -> None:
    if (claim := source.get("volumeClaimTemplate")) is not None:
        claim.setdefault("metadata", {})
        claim_spec(claim.setdefault("spec", {}))


def claim_spec(spec: Obj) -> None:
    """A PersistentVolumeClaim's spec, wherever it stands."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if spec.get("resources") is None:
        spec["resources"] = {}


def iscsi(source: Obj) -> None:
    if not source.get("iscsiInterface"):
        source["iscsiInterface"] = "default"


def rbd(source: Obj) -> None:
    for name, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
        if not source.get(name):
            source[name] = value


def azure_disk(source: Obj) -> None:
    for name, value in (("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4"), ("readOnly", False)):
        if source.get(name) is None:
            source[name] = value


def scale_io(source: Obj) -> None:
    for name, value in (("storageMode", "ThinProvisioned"), ("fsType", "xfs")):
        if not source.get(name):
            source[name] = value


def _image(source: Obj) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = pull_policy(source.get("reference") or "")


_VOLUMES = {
    "projected": _projected,
    "secret": _moded,
    "configMap": _moded,
    "downwardAPI": _downward,
    "hostPath": _host_path,
    "ephemeral": _ephemeral,
    "image": _image,
    "iscsi": iscsi,
    "rbd": rbd,
    "azureDisk": azure_disk,
    "scaleIO": scale_io,
}
