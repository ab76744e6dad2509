"""What `debug` adds and copies."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from kubectl.debugging import copy_of, ephemeral, node_pod
from kubectl.errors import CommandError

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "uid": "1"},
    "spec": {"nodeName": "n", "priority": 0, "containers": [{"name": "main", "image": "x:1", "command": ["run"], "args": ["a"]}]},
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "image": "", "container": "", "stdin": False, "tty": False, "image_pull_policy": "", "env": [], "target": "", "copy_to": "",
    "same_node": False, "set_image": [], "share_processes": "true", "arguments_only": False, "profile": "general", "tail": None,
}  # fmt: skip


def words(**said: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**DEFAULTS, **said})


def test_a_container_beside_the_others() -> None:
    made = ephemeral(words(image="i", target="main", tail=["sh"], env=["A=b=c"]), POD)
    assert made["name"].startswith("debugger-") and made["targetContainerName"] == "main"
    assert (made["command"], made["env"]) == (["sh"], [{"name": "A", "value": "b=c"}])
    assert made["securityContext"] == {"capabilities": {"add": ["SYS_PTRACE"]}}
    with pytest.raises(CommandError, match="there already"):
        ephemeral(words(image="i", container="main"), POD)


def test_a_copy_has_no_labels_and_no_node() -> None:
    made, name = copy_of(words(image="i", copy_to="c", container="dbg"), POD)
    assert name == "dbg" and made["metadata"] == {"name": "c", "namespace": "shop"}
    assert [c["name"] for c in made["spec"]["containers"]] == ["main", "dbg"] and made["spec"]["shareProcessNamespace"]
    assert "nodeName" not in made["spec"] and "nodeName" in POD["spec"]


def test_a_copy_with_another_command_or_image() -> None:
    made, name = copy_of(words(copy_to="c", container="main", tail=["sh"], stdin=True, same_node=True), POD)
    (container,) = made["spec"]["containers"]
    assert name == "main" and container["command"] == ["sh"] and "args" not in container and container["stdin"]
    assert made["spec"]["nodeName"] == "n"
    made, name = copy_of(words(copy_to="c", set_image=["*=y:2"]), POD)
    assert name == "" and made["spec"]["containers"][0]["image"] == "y:2"
    with pytest.raises(CommandError, match='container named "zz"'):
        copy_of(words(copy_to="c", set_image=["zz=y"]), POD)
    with pytest.raises(CommandError, match="specify image"):
        copy_of(words(copy_to="c", container="zz"), POD)


@pytest.mark.parametrize(("profile", "shared"), [("general", True), ("restricted", False)])
def test_a_pod_that_sees_a_node(profile: str, shared: bool) -> None:
    pod, name = node_pod(words(image="i", profile=profile), {"metadata": {"name": "n-1"}})
    spec = pod["spec"]
    assert pod["metadata"]["name"].startswith("node-debugger-n-1-") and name == "debugger"
    assert spec["nodeName"] == "n-1" and spec["hostPID"] is shared and spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "host-root", "mountPath": "/host"}]
