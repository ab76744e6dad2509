"""Which rule of a policy fits, and what a policy may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.audit import policy
from apiserver.audit.policy import LEVELS
from apiserver.configfile import BadFile
from apiserver.interfaces import User
from apiserver.paths import parse

ANN = User("ann", groups=("staff", "system:authenticated"))


def write(path: Path, *rules: dict[str, Any], **more: Any) -> str:
    path.write_text(yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}))
    return str(path)


POD = ("GET", "/api/v1/namespaces/a/pods/b")
LOG = ("GET", "/api/v1/namespaces/a/pods/b/log")


@pytest.mark.parametrize(
    ("rule", "asked", "fits"),
    [
        pytest.param({}, POD, True, id="everything"),
        pytest.param({"users": ["ann"]}, POD, True, id="user"),
        pytest.param({"users": ["bob"]}, POD, False, id="another user"),
        pytest.param({"userGroups": ["x", "staff"]}, POD, True, id="group"),
        pytest.param({"userGroups": ["x"]}, POD, False, id="another group"),
        pytest.param({"verbs": ["list"]}, POD, False, id="verb"),
        pytest.param({"namespaces": ["a"]}, POD, True, id="namespace"),
        pytest.param({"namespaces": [""]}, POD, False, id="no namespace"),
        pytest.param({"namespaces": [""]}, ("GET", "/api/v1/nodes"), True, id="cluster scope"),
        pytest.param({"namespaces": ["a"]}, ("GET", "/version"), False, id="namespace of a path"),
        pytest.param({"resources": [{"group": ""}]}, POD, True, id="all of a group"),
        pytest.param({"resources": [{"group": "apps"}]}, POD, False, id="another group's"),
        pytest.param({"resources": [{"resources": ["pods"]}]}, POD, True, id="resource"),
        pytest.param({"resources": [{"resources": ["pods"]}]}, LOG, False, id="not its subresources"),
        pytest.param({"resources": [{"resources": ["pods/log"]}]}, LOG, True, id="subresource"),
        pytest.param({"resources": [{"resources": ["pods/*"]}]}, LOG, True, id="subresources"),
        pytest.param({"resources": [{"resources": ["*/log"]}]}, LOG, True, id="of all"),
        pytest.param({"resources": [{"resources": ["*"]}]}, LOG, True, id="all"),
        pytest.param({"resources": [{"resources": ["pods"], "resourceNames": ["b"]}]}, POD, True, id="name"),
        pytest.param({"resources": [{"resources": ["pods"], "resourceNames": ["c"]}]}, POD, False, id="another name"),
        pytest.param({"nonResourceURLs": ["/healthz*"]}, ("GET", "/healthz/etcd"), True, id="paths"),
        pytest.param({"nonResourceURLs": ["/healthz"]}, ("GET", "/healthz/etcd"), False, id="path"),
        pytest.param({"nonResourceURLs": ["*"]}, POD, False, id="no path"),
    ],
)
def test_rules(tmp_path: Path, rule: dict[str, Any], asked: tuple[str, str], fits: bool) -> None:
    rules = policy.load(write(tmp_path / "p", {"level": "Metadata", **rule}))
    for _ in range(2):
        assert bool(rules.ruling(ANN, parse(*asked)).level) is fits


def test_the_first_rule_decides(tmp_path: Path) -> None:
    rules = policy.load(
        write(
            tmp_path / "p",
            {"level": "None", "resources": [{"resources": ["events"]}]},
            {"level": "Request", "omitStages": ["RequestReceived"], "omitManagedFields": False},
            omitStages=["ResponseStarted"],
            omitManagedFields=True,
        )
    )
    assert rules.ruling(ANN, parse("GET", "/api/v1/events")).level == 0
    found = rules.ruling(None, parse(*POD))
    assert LEVELS[found.level] == "Request"
    assert found.stages == {"ResponseComplete", "Panic"}
    assert not found.omit_managed_fields


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        pytest.param([], "at least one rule", id="no rules"),
        pytest.param([{"level": "All"}], 'Unsupported value: "All"', id="level"),
        pytest.param([{"level": "None", "omitStages": ["x"]}], 'Unsupported value: "x"', id="stage"),
        pytest.param([{"level": "None", "user": ["x"]}], 'unknown field "rules[0].user"', id="misspelt"),
        pytest.param([{"level": "None", "nonResourceURLs": ["x"]}], "begins with /", id="path"),
        pytest.param(
            [{"level": "None", "nonResourceURLs": ["/"], "namespaces": ["a"]}], "cannot apply to both", id="both"
        ),
        pytest.param([{"level": "None", "resources": [{"resourceNames": ["a"]}]}], "at least one resource", id="names"),
    ],
)
def test_bad_policies(tmp_path: Path, rules: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(BadFile) as bad:
        policy.load(write(tmp_path / "p", *rules))
    assert words in str(bad.value)
    assert "\n" not in str(bad.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        policy.load(str(tmp_path / "nothing"))
