"""Custom resources in the hands of the upstream kubectl, against the server as a process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.apiserver.test_process import KUBECTL, Process, kubectl_server

__all__ = ["kubectl_server"]

pytestmark = [pytest.mark.integration, pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")]

LIVE_SECONDS = 1.0  # from a definition to its documents
TRIES = 3  # of which one must be as fast: the machine may be busy

SPEC: Any = {
    "type": "object",
    "description": "What is wished.",
    "required": ["schedule"],
    "x-kubernetes-validations": [{"rule": "self.least <= self.replicas", "message": "fewer than the least", "fieldPath": ".replicas"}],
    "properties": {
        "schedule": {"type": "string", "pattern": r"^\S+( \S+){4}$", "description": "When to run."},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "least": {"type": "integer", "default": 0},
        "owner": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "owner is immutable"}]},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "name": {"type": "string"}}},
        },
    },
}  # fmt: skip
STATUS = {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}}


def definition(plural: str = "crontabs", kind: str = "CronTab") -> Any:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}, "scale": scale},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "additionalPrinterColumns": [
            {"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"},
            {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": "Runs now and then.",
                "properties": {"spec": SPEC, "status": STATUS},
            }
        },
    }
    names = {"plural": plural, "kind": kind, "shortNames": [plural[:3]], "categories": ["all"]}
    spec = {"group": "stable.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.stable.example.com"},
        "spec": spec,
    }


def crontab(name: str = "a", **spec: Any) -> str:
    given = {"schedule": "* * * * *", "replicas": 2, "owner": "ann", "ports": [{"port": 80}], **spec}
    return yaml.safe_dump(
        {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": name}, "spec": given}
    )


@pytest.fixture(scope="module")
def server(kubectl_server: Process) -> Iterator[Process]:
    kubectl_server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(definition()))
    kubectl_server.kubectl("wait", "--for=condition=established", "crd/crontabs.stable.example.com")
    kubectl_server.kubectl("apply", "-f", "-", stdin=crontab())
    yield kubectl_server
    kubectl_server.kubectl("delete", "crd", "crontabs.stable.example.com")


@pytest.mark.parametrize(
    ("words", "stdin", "shown"),
    [
        pytest.param("get cro", "", "SCHEDULE", id="short-name"),
        pytest.param("get cro -o wide", "", "COLOR", id="wide"),
        pytest.param("get all", "", "crontab.stable.example.com/a", id="category"),
        pytest.param("explain crontabs", "", "Runs now and then.", id="explain"),
        pytest.param("explain crontabs.spec.schedule", "", "When to run.", id="explain-field"),
        pytest.param("explain crontabs.spec.ports --recursive", "", "port\t<integer> -required-", id="explain-list"),
        pytest.param("api-resources --api-group stable.example.com", "", "crontabs   cro", id="api-resources"),
        pytest.param("get cro --field-selector spec.color=red", "", "a ", id="field-selector"),
        pytest.param("get cro --field-selector spec.color=blue", "", "", id="field-selector-none"),
        pytest.param("apply -f -", crontab(least=1), "configured", id="apply"),
        pytest.param("apply --server-side --field-manager me --force-conflicts -f -", crontab(), "serverside-applied", id="server-side"),
        pytest.param("scale crontab/a --replicas=3", "", "scaled", id="scale"),
        pytest.param("patch cro a --subresource=status --type=merge -p {\"status\":{\"replicas\":1}}", "", "patched", id="status"),
        pytest.param("describe cro a", "", "Schedule:", id="describe"),
        pytest.param("create --dry-run=server -f -", crontab("dry"), "created (server dry run)", id="dry-run"),
    ],
)  # fmt: skip
def test_words(server: Process, words: str, stdin: str, shown: str) -> None:
    assert shown in server.kubectl(*words.split(), stdin=stdin)


@pytest.mark.parametrize(
    ("words", "stdin", "shown"),
    [
        pytest.param(
            "create -f -", crontab("b", extra=1), 'strict decoding error: unknown field "spec.extra"', id="strict"
        ),
        pytest.param(
            "create -f -",
            crontab("b", replicas=11),
            "spec.replicas in body should be less than or equal to 10",
            id="schema",
        ),
        pytest.param(
            "create -f -", crontab("b", least=5), "spec.replicas: Invalid value: fewer than the least", id="rule"
        ),
        pytest.param(
            "apply -f -", crontab(owner="bob"), 'spec.owner: Invalid value: "bob": owner is immutable', id="immutable"
        ),
        pytest.param("scale crontab/a --replicas=11", "", "spec.replicas", id="scale"),
    ],
)
def test_refusals(server: Process, words: str, stdin: str, shown: str) -> None:
    assert shown in server.kubectl(*words.split(), stdin=stdin, code=1)


def test_live_within_a_second(server: Process) -> None:
    """From creating a definition to explaining its fields, two starts of kubectl included."""
    spans = []
    for number in range(TRIES):
        plural = f"gadgets{number}"
        text = yaml.safe_dump(definition(plural, f"Gadget{number}"))
        text = text.replace("- gad\n", f"- g{number}\n")
        began = time.monotonic()
        server.kubectl("create", "-f", "-", stdin=text)
        assert "When to run." in server.kubectl("explain", f"{plural}.spec.schedule")
        spans.append(time.monotonic() - began)
        server.kubectl("delete", "crd", f"{plural}.stable.example.com")
    assert min(spans) < LIVE_SECONDS, spans
