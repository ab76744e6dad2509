"""Volumes of a pod: one source each, well-formed; and the mounts and devices of containers that use them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.podspec import environment
from pocketkube.api.meta import field, names, quantity

Obj = dict[str, Any]

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_PROPAGATION = ["Bidirectional", "HostToContainer", "None"]


def volumes(found: list[Obj], path: str) -> Errors:
    wrong: Errors = []
    seen: set[str] = set()
    for at, volume in enumerate(found):
        where = f"{path}[{at}]"
        name = volume.get("name", "")
        if not name:
            wrong.append(field.required(f"{where}.name"))
        elif why := checks.dns_label(name):
            wrong += [field.invalid(f"{where}.name", name, each) for each in why]
        elif name in seen:
            wrong.append(field.duplicate(f"{where}.name", name))
        seen.add(name)
        wrong += _source(volume, where)
    return wrong


def _source(volume: Obj, path: str) -> Errors:
    sources = [name for name, value in volume.items() if name != "name" and value is not None]
    if not sources:
        return [field.required(path, "must specify a volume type")]
    wrong: Errors = []
    check = _SOURCES.get(sources[0])
    if check is not None:
        wrong += check(volume[sources[0]], f"{path}.{sources[0]}")
    wrong += [field.forbidden(f"{path}.{name}", "may not specify more than 1 volume type") for name in sources[1:]]
    return wrong


def _needs(*fields: str) -> Callable[[Obj, str], Errors]:
    def check(source: Obj, path: str) -> Errors:
        return [field.required(f"{path}.{name}") for name in fields if not source.get(name)]

    return check


def empty_dir(source: Obj, path: str) -> Errors:
    if (limit := source.get("sizeLimit")) is not None and quantity.parse(str(limit)) < 0:
        return [field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def host_path(source: Obj, path: str) -> Errors:
    where = source.get("path", "")
    if not where:
        return [field.required(f"{path}.path")]
    wrong = no_backsteps(where, f"{path}.path")
    if (kind := source.get("type")) not in (None, *HOST_PATH_TYPES):
        wrong.append(field.not_supported(f"{path}.type", kind, list(HOST_PATH_TYPES)))
    return wrong


def _secret(source: Obj, path: str) -> Errors:
    wrong = [] if source.get("secretName") else [field.required(f"{path}.secretName")]
    return wrong + _mode(source.get("defaultMode"), f"{path}.defaultMode") + _items(source, path)


def _config_map(source: Obj, path: str) -> Errors:
    wrong = [] if source.get("name") else [field.required(f"{path}.name")]
    return wrong + _mode(source.get("defaultMode"), f"{path}.defaultMode") + _items(source, path)


def _items(source: Obj, path: str) -> Errors:
    wrong: Errors = []
    for at, item in enumerate(source.get("items") or ()):
        where = f"{path}.items[{at}]"
        if not item.get("key"):
            wrong.append(field.required(f"{where}.key"))
        wrong += _file_path(item.get("path", ""), f"{where}.path")
        wrong += _mode(item.get("mode"), f"{where}.mode")
    return wrong


def _file_path(text: str, path: str) -> Errors:
    return local_path(text, path) if text else [field.required(path)]


def _mode(mode: int | None, path: str) -> Errors:
    return [] if mode is None or 0 <= mode <= 0o777 else [field.invalid(path, mode, _MODE)]


def _downward(source: Obj, path: str) -> Errors:
    return _mode(source.get("defaultMode"), f"{path}.defaultMode") + _downward_items(source, path)


def _downward_items(source: Obj, path: str) -> Errors:
    wrong: Errors = []
    for item in source.get("items") or ():
        wrong += _file_path(item.get("path", ""), f"{path}.path")
        fields, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if fields is not None:
            wrong += environment.field_ref(fields, f"{path}.fieldRef", environment.VOLUME_FIELDS)
            if resource is not None:
                wrong.append(
                    field.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
                )
        elif resource is not None:
            wrong += environment.resource_ref(resource, f"{path}.resourceFieldRef", volume=True)
        else:
            wrong.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
        wrong += _mode(item.get("mode"), f"{path}.mode")
    return wrong


def _projected(source: Obj, path: str) -> Errors:
    wrong = _mode(source.get("defaultMode"), f"{path}.defaultMode")
    seen: set[str] = set()
    for at, projection in enumerate(source.get("sources") or ()):
        where = f"{path}.sources[{at}]"
        kinds = [name for name in _PROJECTIONS if projection.get(name) is not None]
        if len(kinds) > 1:
            wrong.append(field.forbidden(where, "may not specify more than 1 volume type per source"))
            continue
        for name in kinds:
            wrong += _PROJECTIONS[name](projection[name], f"{where}.{name}")
            wrong += _conflicts(projection[name], path, seen)
    return wrong


def _conflicts(projection: Obj, path: str, seen: set[str]) -> Errors:
    """Two sources may not write the same file."""
    files = [item.get("path", "") for item in projection.get("items") or ()]
    if "path" in projection:
        files.append(projection["path"])
    wrong = [field.invalid(path, name, "conflicting duplicate paths") for name in files if name and name in seen]
    seen.update(files)
    return wrong


def _named_projection(source: Obj, path: str) -> Errors:
    return ([] if source.get("name") else [field.required(f"{path}.name")]) + _items(source, path)


def _token(source: Obj, path: str) -> Errors:
    seconds = source.get("expirationSeconds", 0)
    wrong: Errors = []
    if seconds < 600:
        wrong.append(
            field.invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        )
    if seconds > 1 << 32:
        wrong.append(
            field.invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
        )
    return wrong + _file_path(source.get("path", ""), f"{path}.path")


def _trust_bundle(source: Obj, path: str) -> Errors:
    if source.get("name") and source.get("signerName"):
        return [field.invalid(path, source, "only one of name and signerName may be used")]
    wrong = (
        []
        if source.get("name") or source.get("signerName")
        else [field.required(path, "either name or signerName must be specified")]
    )
    return wrong + _file_path(source.get("path", ""), f"{path}.path")


def _ephemeral(source: Obj, path: str) -> Errors:
    claim = source.get("volumeClaimTemplate")
    if claim is None:
        return [field.required(f"{path}.volumeClaimTemplate")]
    from pocketkube.api.kinds.podspec import claims

    return claims.spec(claim.get("spec") or {}, f"{path}.volumeClaimTemplate.spec")


def _nfs(source: Obj, path: str) -> Errors:
    wrong = _needs("server", "path")(source, path)
    if (where := source.get("path")) and not where.startswith("/"):
        wrong.append(field.invalid(f"{path}.path", where, "must be an absolute path"))
    return wrong


_PROJECTIONS: dict[str, Callable[[Obj, str], Errors]] = {
    "secret": _named_projection,
    "configMap": _named_projection,
    "downwardAPI": _downward_items,
    "serviceAccountToken": _token,
    "clusterTrustBundle": _trust_bundle,
}
_SOURCES: dict[str, Callable[[Obj, str], Errors]] = {
    "emptyDir": empty_dir,
    "hostPath": host_path,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _needs("claimName"),
    "ephemeral": _ephemeral,
    "nfs": _nfs,
    "csi": _needs("driver"),
    "gitRepo": _needs("repository"),
    "glusterfs": _needs("endpoints", "path"),
    "iscsi": _needs("targetPortal", "iqn"),
    "rbd": _needs("monitors", "image"),
    "cephfs": _needs("monitors"),
    "awsElasticBlockStore": _needs("volumeID"),
    "gcePersistentDisk": _needs("pdName"),
    "azureFile": _needs("secretName", "shareName"),
    "azureDisk": _needs("diskName", "diskURI"),
    "vsphereVolume": _needs("volumePath"),
    "flexVolume": _needs("driver"),
    "cinder": _needs("volumeID"),
}


def no_backsteps(text: str, path: str) -> Errors:
    return [field.invalid(path, text, "must not contain '..'")] if ".." in text.split("/") else []


def local_path(text: str, path: str) -> Errors:
    """Relative, never leaving its folder."""
    wrong = [field.invalid(path, text, "must be a relative path")] if text.startswith("/") else []
    return wrong + no_backsteps(text, path)


def mounts(found: list[Obj], path: str, sources: Mapping[str, Obj], container: Obj) -> Errors:
    """volumeMounts of a container; `sources` are the pod's volumes by name."""
    wrong: Errors = []
    seen: set[str] = set()
    devices = container.get("volumeDevices") or ()
    for at, mount in enumerate(found):
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            wrong.append(field.required(f"{path}[{at}].name"))
        if name not in sources:
            wrong.append(field.not_found(f"{path}[{at}].name", name))
        if not where:
            wrong.append(field.required(f"{path}[{at}].mountPath"))
        if where in seen:
            wrong.append(field.invalid(f"{path}[{at}].mountPath", where, "must be unique"))
        seen.add(where)
        for device in devices:
            if device.get("name") == name:
                wrong.append(field.invalid(f"{path}[{at}].name", name, "must not already exist in volumeDevices"))
        if len(mount) > 2:
            wrong += _mount_options(mount, path, f"{path}[{at}]", container)
    return wrong


def _mount_options(mount: Obj, path: str, where: str, container: Obj) -> Errors:
    wrong: Errors = []
    if sub := mount.get("subPath"):
        wrong += local_path(sub, f"{path}.subPath")
    if expression := mount.get("subPathExpr"):
        if sub:
            wrong.append(
                field.invalid(f"{where}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
            )
        wrong += local_path(expression, f"{path}.subPathExpr")
    if (propagation := mount.get("mountPropagation")) is not None:
        if propagation not in _PROPAGATION:
            wrong.append(field.not_supported(f"{path}.mountPropagation", propagation, _PROPAGATION))
        elif propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            why = "Bidirectional mount propagation is available only to privileged containers"
            wrong.append(field.forbidden(f"{path}.mountPropagation", why))
    if (recursive := mount.get("recursiveReadOnly")) not in (None, "Disabled"):
        if recursive not in ("Enabled", "IfPossible"):
            allowed = ["Disabled", "Enabled", "IfPossible"]
            wrong.append(field.not_supported(f"{path}.recursiveReadOnly", recursive, allowed))
        elif not mount.get("readOnly"):
            wrong.append(field.forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true"))
    return wrong


def devices(found: list[Obj], path: str, sources: Mapping[str, Obj], mounted: Collection[str]) -> Errors:
    """volumeDevices of a container: raw block volumes, from claims only."""
    wrong: Errors = []
    for at, device in enumerate(found):
        name, where = device.get("name", ""), device.get("devicePath", "")
        source = sources.get(name)
        if not name:
            wrong.append(field.required(f"{path}[{at}].name"))
        if source is None:
            wrong.append(field.not_found(f"{path}[{at}].name", name))
        elif "persistentVolumeClaim" not in source and "ephemeral" not in source:
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            wrong.append(field.invalid(f"{path}[{at}].name", name, why))
        if not where:
            wrong.append(field.required(f"{path}[{at}].devicePath"))
        elif ".." in where.split("/"):
            why = "can not contain backsteps ('..')"
            wrong.append(field.invalid(f"{path}[{at}].devicePath", where, why))
        for key, value in (("devicePath", where), ("name", name)):
            if any(before.get(key) == value for before in found[:at]):
                wrong.append(field.invalid(f"{path}[{at}].{key}", value, "must be unique"))
        if name in mounted:
            wrong.append(field.invalid(f"{path}[{at}].name", name, "must not already exist in volumeMounts"))
    return wrong


def claim_name(text: str, path: str) -> Errors:
    return checks.named(path, text, names.is_dns_subdomain)
