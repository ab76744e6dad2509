from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods import security
from kubelet.pods.environment import ConfigError
from kubelet.runtime.interface import Security
from tests.kubelet.world import container, pod

Obj = dict[str, Any]


def made(outer: Obj, inner: Obj, *, image_user: str = "", groups: tuple[int, ...] = ()) -> Security:
    obj = pod("web", container("c", securityContext=inner), securityContext=outer)
    return security.of_container(
        obj,
        obj["spec"]["containers"][0],
        image_user=image_user,
        extra_groups=groups,
        read_profile=lambda name: f"<{name}>",
    )


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        pytest.param({}, {}, Security(), id="nothing"),
        pytest.param({"runAsUser": 1000}, {}, Security(user="1000"), id="user of the pod"),
        pytest.param({"runAsUser": 1000}, {"runAsUser": 2000}, Security(user="2000"), id="the container's wins"),
        pytest.param({"runAsUser": 1, "runAsGroup": 3}, {}, Security(user="1:3"), id="user and group"),
        pytest.param({"fsGroup": 5, "supplementalGroups": [7, 5]}, {}, Security(groups=("7", "5")), id="groups"),
        pytest.param(
            {},
            {"capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["ALL"]}},
            Security(add_capabilities=("NET_ADMIN",), drop_capabilities=("ALL",)),
            id="capabilities",
        ),
        pytest.param(
            {},
            {"privileged": True, "readOnlyRootFilesystem": True},
            Security(privileged=True, read_only_root=True),
            id="privileged",
        ),
        pytest.param({}, {"allowPrivilegeEscalation": False}, Security(no_new_privileges=True), id="escalation"),
        pytest.param(
            {"seccompProfile": {"type": "RuntimeDefault"}}, {}, Security(seccomp="default"), id="seccomp default"
        ),
        pytest.param(
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}},
            {},
            Security(seccomp="<p.json>"),
            id="seccomp",
        ),
        pytest.param({}, {"procMount": "Unmasked"}, Security(unmasked_proc=True), id="proc"),
    ],
)
def test_security(outer: Obj, inner: Obj, expected: Security) -> None:
    assert made(outer, inner) == expected


@pytest.mark.parametrize(
    ("inner", "image_user", "message"),
    [
        pytest.param({"runAsUser": 0}, "", "runAsUser breaks non-root policy", id="root asked for"),
        pytest.param({}, "", "image will run as root", id="image without a user"),
        pytest.param({}, "app:app", "image has non-numeric user", id="a name"),
    ],
)
def test_root_is_refused(inner: Obj, image_user: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made({"runAsNonRoot": True}, inner, image_user=image_user)


@pytest.mark.parametrize(("inner", "image_user"), [({"runAsUser": 5}, ""), ({}, "5:5")])
def test_others_are_not(inner: Obj, image_user: str) -> None:
    assert made({"runAsNonRoot": True}, inner, image_user=image_user)
