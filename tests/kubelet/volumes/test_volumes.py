"""Each volume type set up in a folder, as a pod would get it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kubelet.pods.environment import ConfigError, Surroundings
from kubelet.pods.paths import PodPaths
from kubelet.volumes.interface import VolumeFailure
from kubelet.volumes.pod_volumes import PodVolumes, bind_subpath, types
from tests.kubelet.world import pod

Obj = dict[str, Any]

CONFIG = {"kind": "ConfigMap", "data": {"k": "v", "z": "w"}, "binaryData": {"bin": "AAE="}}
SECRET = {"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}
AROUND = Surroundings(objects={("configmap", "cm"): CONFIG, ("secret", "s"): SECRET}, ips=["10.0.0.7"])


def volumes(root: Path, held: dict[tuple[str, str, str], Obj] | None = None) -> PodVolumes:
    async def token(obj: Obj, source: Obj) -> str:
        return f"token for {source.get('audience', '')}"

    async def lookup(kind: str, namespace: str, name: str) -> Obj | None:
        return (held or {}).get((kind, namespace, name))

    return PodVolumes(PodPaths(root, "u"), token=token, lookup=lookup)


async def set_up(root: Path, source: Obj, **spec: Any) -> Path:
    made = volumes(root)
    await made.set_up(pod("web", volumes=[{"name": "v", **source}], **spec), AROUND)
    return made.mounted["v"].path


def test_the_types() -> None:
    assert set(types()) == {
        "configMap", "downwardAPI", "emptyDir", "hostPath", "persistentVolumeClaim", "projected", "secret",
    }  # fmt: skip


async def test_empty_dir_is_open_to_all(tmp_path: Path) -> None:
    """Behaviour 63."""
    path = await set_up(tmp_path, {"emptyDir": {}})
    assert path.stat().st_mode & 0o777 == 0o777
    assert str(path).endswith("pods/u/volumes/kubernetes.io~empty-dir/v")


async def test_config_map(tmp_path: Path) -> None:
    path = await set_up(tmp_path, {"configMap": {"name": "cm", "defaultMode": 0o600}})
    assert (path / "k").read_text() == "v"
    assert (path / "bin").read_bytes() == b"\0\1"
    assert (path / "k").stat().st_mode & 0o777 == 0o600


async def test_items(tmp_path: Path) -> None:
    items = [{"key": "k", "path": "deep/er", "mode": 0o400}]
    path = await set_up(tmp_path, {"configMap": {"name": "cm", "items": items}})
    assert (path / "deep/er").read_text() == "v"
    assert (path / "deep/er").stat().st_mode & 0o777 == 0o400
    assert not (path / "z").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param({"configMap": {"name": "no"}}, 'configmap "no" not found', id="no config map"),
        pytest.param({"secret": {"secretName": "no"}}, 'secret "no" not found', id="no secret"),
        pytest.param(
            {"configMap": {"name": "cm", "items": [{"key": "no", "path": "p"}]}},
            "configmap default/cm references non-existent config key: no",
            id="no key",
        ),
        pytest.param(
            {"hostPath": {"path": "/nowhere", "type": "Directory"}}, "hostPath type check failed", id="no path"
        ),
        pytest.param({"hostPath": {"path": "/etc", "type": "File"}}, "/etc is not a file", id="not a file"),
        pytest.param({"nfs": {"server": "s", "path": "/"}}, "no volume plugin matched", id="unknown type"),
        pytest.param({"persistentVolumeClaim": {"claimName": "c"}}, '"c" not found', id="no claim"),
    ],
)
async def test_what_cannot_be_mounted(tmp_path: Path, source: Obj, message: str) -> None:
    with pytest.raises(VolumeFailure, match=message):
        await set_up(tmp_path, source)


async def test_optional_sources_may_be_missing(tmp_path: Path) -> None:
    path = await set_up(tmp_path, {"configMap": {"name": "no", "optional": True}})
    assert [p.name for p in path.iterdir() if not p.name.startswith("..")] == []


async def test_projected(tmp_path: Path) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "me"}},
        {"configMap": {"name": "cm", "items": [{"key": "k", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    path = await set_up(tmp_path, {"projected": {"sources": sources}})
    assert {p.name: p.read_text() for p in path.iterdir() if not p.name.startswith("..")} == {
        "token": "token for me",
        "ca.crt": "v",
        "namespace": "default",
    }
    made = volumes(tmp_path)
    made.tear_down()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("context", "mode", "owner", "group"),
    [
        pytest.param({"runAsUser": 1000}, 0o600, 1000, 0, id="user"),
        pytest.param({"fsGroup": 10000}, 0o640, 0, 10000, id="group"),
        pytest.param({"runAsUser": 1000, "fsGroup": 10000}, 0o640, 1000, 10000, id="both"),
        pytest.param({}, 0o644, 0, 0, id="neither"),
    ],
)
async def test_who_reads_a_token(tmp_path: Path, context: Obj, mode: int, owner: int, group: int) -> None:
    """line 65"""
    source = {"projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "me"}}]}}
    obj = pod("web", volumes=[{"name": "v", **source}])
    obj["spec"]["securityContext"] = context
    made = volumes(tmp_path)
    await made.set_up(obj, AROUND)
    found = (made.mounted["v"].path / "token").stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (mode, owner, group)
    made.tear_down()


async def test_downward_labels_follow(tmp_path: Path) -> None:
    """Behaviour 64."""
    made = volumes(tmp_path)
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    obj = pod("web", volumes=[{"name": "v", "downwardAPI": {"items": items}}])
    obj["metadata"]["labels"] = {"b": "2", "a": 'say "hi"'}
    await made.set_up(obj, AROUND)
    labels = made.mounted["v"].path / "labels"
    assert labels.read_text() == 'a="say \\"hi\\""\nb="2"'
    obj["metadata"]["labels"] = {"a": "1"}
    await made.refresh(obj, AROUND)
    assert labels.read_text() == 'a="1"'


async def test_claim_of_a_host_path(tmp_path: Path) -> None:
    data = tmp_path / "data"
    held: dict[tuple[str, str, str], Obj] = {
        ("persistentvolumeclaim", "default", "c"): {"spec": {"volumeName": "pv"}, "status": {"phase": "Bound"}},
        ("persistentvolume", "", "pv"): {
            "metadata": {"name": "pv"},
            "spec": {"hostPath": {"path": str(data), "type": "DirectoryOrCreate"}},
        },
    }
    made = volumes(tmp_path, held)
    await made.set_up(pod("web", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]), AROUND)
    assert made.mounted["v"].path == data and data.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to a group")
async def test_fs_group(tmp_path: Path) -> None:
    """Behaviour 65: chown, setgid folders, owner bits for the group."""
    path = await set_up(tmp_path, {"emptyDir": {}}, securityContext={"fsGroup": 4321})
    assert path.stat().st_gid == 4321
    assert path.stat().st_mode & 0o7777 == 0o2777
    config = await set_up(
        tmp_path, {"configMap": {"name": "cm", "defaultMode": 0o400}}, securityContext={"fsGroup": 4321}
    )
    assert (config / "k").stat().st_mode & 0o777 == 0o440


@pytest.mark.parametrize("subpath", ["/etc", "../x", "a/../../x", "link"])
def test_subpath_cannot_leave_its_volume(tmp_path: Path, subpath: str) -> None:
    """Behaviour 66."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to("/etc")
    with pytest.raises(ConfigError):
        bind_subpath(volume, subpath, tmp_path / "target")
