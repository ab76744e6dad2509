from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet.pods import spec
from kubelet.pods.mirror import mirror_of
from kubelet.pods.static import StaticPods, static_pod

MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "etcd", "labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}


def test_static_pod() -> None:
    made = static_pod(MANIFEST, node="Node-1", now="now")
    meta = made["metadata"]
    assert (meta["name"], meta["namespace"]) == ("etcd-node-1", "default")
    assert meta["uid"] == meta["annotations"][spec.HASH]
    assert spec.is_static(made)
    assert static_pod(MANIFEST, node="Node-1", now="later")["metadata"]["uid"] == meta["uid"]
    assert static_pod(MANIFEST, node="node-2", now="now")["metadata"]["uid"] != meta["uid"]


@pytest.mark.parametrize("broken", [{"kind": "Pod"}, {**MANIFEST, "kind": "Service"}, {**MANIFEST, "metadata": {}}])
def test_what_is_no_pod(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        static_pod(broken, node="n", now="now")


def test_mirror() -> None:
    made = static_pod(MANIFEST, node="n", now="now")
    mirror = mirror_of(made, {"metadata": {"name": "n", "uid": "node-uid"}})
    assert spec.is_mirror(mirror) and spec.uid(mirror) == spec.uid(made)
    assert mirror["metadata"]["ownerReferences"][0]["uid"] == "node-uid"
    assert "uid" not in mirror["metadata"]


def test_a_folder_is_followed(tmp_path: Path) -> None:
    applied: list[str] = []
    removed: list[str] = []
    pods = StaticPods(
        tmp_path,
        node="n",
        now=lambda: "now",
        apply=lambda pod: applied.append(pod["metadata"]["name"]),
        remove=lambda pod: removed.append(pod["metadata"]["name"]),
    )
    (tmp_path / "etcd.yaml").write_text(yaml.safe_dump(MANIFEST))
    (tmp_path / "broken.yaml").write_text("{")
    (tmp_path / ".hidden").write_text(yaml.safe_dump(MANIFEST))
    pods.look()
    pods.look()
    assert (applied, removed) == (["etcd-n"], [])
    (tmp_path / "etcd.yaml").unlink()
    pods.look()
    assert removed == ["etcd-n"]
