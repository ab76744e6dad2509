"""Policies in CEL: what is refused, warned about and changed; bindings, parameters, variables, failures."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver import authz
from apiserver.admission.matching import GROUP
from apiserver.interfaces import AdmissionRequest, Operation
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import SCHEME, Admit, Obj, pod, request

RULES: Obj = {
    "resourceRules": [{"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]
}
EXCLUDED: Obj = {**RULES, "excludeResourceRules": RULES["resourceRules"]}


def deployment(replicas: int = 3, **metadata: Any) -> Obj:
    return {"metadata": {"name": "web", "namespace": "default", **metadata}, "spec": {"replicas": replicas}}


def bind(cluster: MemoryCluster, kind: str, spec: Obj, binding: Obj | None = None) -> None:
    made = {"metadata": {"name": "p"}, "spec": {"matchConstraints": RULES, **spec}}
    cluster.put(GROUP, f"{kind}admissionpolicies", made)
    bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
    cluster.put(GROUP, f"{kind}admissionpolicybindings", {"metadata": {"name": "b"}, "spec": bound})


def ask(operation: Operation = "CREATE", **fields: Any) -> AdmissionRequest:
    old = deployment(1) if operation == "UPDATE" else None
    return request(operation, "deployments.apps", deployment(**fields), old)


async def refused(admit: Admit, asked: AdmissionRequest, **setup: Any) -> errors.StatusError | None:
    try:
        await admit("ValidatingAdmissionPolicy", asked, kind_of=SCHEME.by_gvk, **setup)
    except errors.StatusError as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"validations": [{"expression": "object.spec.replicas <= 5"}]}, "", id="holds"),
        pytest.param(
            {"validations": [{"expression": "object.spec.replicas <= 2"}]},
            "failed expression: object.spec.replicas <= 2",
            id="expression",
        ),
        pytest.param(
            {"validations": [{"expression": "object.spec.replicas <= 2", "message": "too many"}]},
            "too many",
            id="message",
        ),
        pytest.param(
            {
                "validations": [
                    {
                        "expression": "false",
                        "message": "m",
                        "messageExpression": "'has ' + string(object.spec.replicas)",
                    }
                ]
            },
            "has 3",
            id="message expression",
        ),
        pytest.param(
            {"validations": [{"expression": "false", "message": "m", "messageExpression": "object.nothing"}]},
            "m",
            id="message expression fails",
        ),
        pytest.param(
            {
                "variables": [
                    {"name": "n", "expression": "object.spec.replicas"},
                    {"name": "m", "expression": "variables.n * 2"},
                ],
                "validations": [{"expression": "variables.m == 6"}],
            },
            "",
            id="variables",
        ),
        pytest.param(
            {
                "variables": [{"name": "bad", "expression": "object.nothing"}],
                "validations": [{"expression": "true || variables.bad"}],
            },
            "",
            id="an unused variable may fail",
        ),
        pytest.param(
            {"validations": [{"expression": "object.nothing == 1"}]},
            "resulted in error: no such key: nothing",
            id="fails",
        ),
        pytest.param(
            {"failurePolicy": "Ignore", "validations": [{"expression": "object.nothing == 1"}]},
            "",
            id="failure ignored",
        ),
        pytest.param(
            {
                "matchConditions": [{"name": "c", "expression": "object.metadata.name == 'other'"}],
                "validations": [{"expression": "false"}],
            },
            "",
            id="condition",
        ),
        pytest.param({"validations": [{"expression": "nonsense("}]}, "compilation failed", id="does not compile"),
        pytest.param(
            {"failurePolicy": "Ignore", "validations": [{"expression": "nonsense("}]},
            "",
            id="does not compile, ignored",
        ),
        pytest.param(
            {
                "validations": [
                    {"expression": "namespaceObject.metadata.name == 'default' && request.operation == 'CREATE'"}
                ]
            },
            "",
            id="namespace and request",
        ),
        pytest.param(
            {
                "matchConstraints": EXCLUDED,
                "validations": [{"expression": "false"}],
            },
            "",
            id="excluded",
        ),
    ],
)
async def test_validations(cluster: MemoryCluster, admit: Admit, spec: Obj, words: str) -> None:
    """line 31: variables and message expressions."""
    bind(cluster, "validating", spec)
    refusal = await refused(admit, ask())
    if not words:
        assert refusal is None
        return
    assert refusal is not None and (refusal.code, refusal.reason) == (422, "Invalid")
    assert refusal.message.startswith(
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
    )
    assert words in refusal.message


async def test_actions(cluster: MemoryCluster, admit: Admit) -> None:
    bind(
        cluster,
        "validating",
        {"validations": [{"expression": "false", "message": "no"}]},
        {"validationActions": ["Warn", "Audit"]},
    )
    asked = ask()
    assert await refused(admit, asked) is None
    assert asked.warnings == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    assert asked.annotations["validation.policy.admission.k8s.io/validation_failure"]


@pytest.mark.parametrize(
    ("reason", "code"), [("Forbidden", 403), ("Unauthorized", 401), ("RequestEntityTooLarge", 413), ("Invalid", 422)]
)
async def test_reasons(cluster: MemoryCluster, admit: Admit, reason: str, code: int) -> None:
    bind(cluster, "validating", {"validations": [{"expression": "false", "reason": reason}]})
    refusal = await refused(admit, ask())
    assert refusal is not None and (refusal.code, refusal.reason) == (code, reason)


async def test_old_object_and_no_binding(cluster: MemoryCluster, admit: Admit) -> None:
    bind(
        cluster,
        "validating",
        {"validations": [{"expression": "oldObject == null || object.spec.replicas >= oldObject.spec.replicas"}]},
    )
    assert await refused(admit, ask()) is None
    assert await refused(admit, ask("UPDATE", replicas=0)) is not None
    cluster.remove(GROUP, "validatingadmissionpolicybindings", "", "b")
    assert await refused(admit, ask("UPDATE", replicas=0)) is None


async def test_binding_narrows(cluster: MemoryCluster, admit: Admit) -> None:
    selector = {"namespaceSelector": {"matchLabels": {"env": "prod"}}}
    bind(cluster, "validating", {"validations": [{"expression": "false"}]}, {"matchResources": selector})
    assert await refused(admit, ask()) is None
    cluster.put("", "namespaces", {"metadata": {"name": "default", "labels": {"env": "prod"}}})
    assert await refused(admit, ask()) is not None


PARAMS = {
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    "validations": [{"expression": "object.spec.replicas <= int(params.data.most)"}],
}


@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        pytest.param({"name": "low", "namespace": "default"}, "failed expression", id="low"),
        pytest.param({"name": "high"}, "", id="high, in the request's namespace"),
        pytest.param({"selector": {"matchLabels": {"team": "a"}}}, "failed expression", id="every one selected"),
        pytest.param({"name": "gone"}, "no params found", id="missing"),
        pytest.param({"name": "gone", "parameterNotFoundAction": "Allow"}, "", id="missing is fine"),
    ],
)
async def test_parameters(cluster: MemoryCluster, admit: Admit, reference: Obj, refusal: str) -> None:
    for name, most in (("low", "2"), ("high", "9")):
        meta = {"name": name, "namespace": "default", "labels": {"team": "a"}}
        cluster.put("", "configmaps", {"metadata": meta, "data": {"most": most}})
    bind(cluster, "validating", PARAMS, {"paramRef": reference})
    found = await refused(admit, ask())
    assert (refusal in found.message) if found else not refusal


async def test_authorizer_and_audit(cluster: MemoryCluster, admit: Admit) -> None:
    spec = {
        "validations": [
            {
                "expression": "authorizer.group('apps').resource('deployments').namespace('default').check('scale').allowed()"
            }
        ],
        "auditAnnotations": [{"key": "size", "valueExpression": "string(object.spec.replicas)"}],
    }
    bind(cluster, "validating", spec)
    asked = ask()
    assert await refused(admit, asked, authorizer=authz.build(cluster, ["RBAC"])) is None
    assert asked.annotations == {"p/size": "3"}
    assert await refused(admit, ask(), authorizer=authz.build(cluster, ["AlwaysDeny"])) is None  # masters
    assert await refused(admit, ask()) is not None


def mutation(expression: str, kind: str = "ApplyConfiguration") -> Obj:
    field = "jsonPatch" if kind == "JSONPatch" else "applyConfiguration"
    return {"patchType": kind, field: {"expression": expression}}


POD_RULES: Obj = {
    "resourceRules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]
}


@pytest.mark.parametrize(
    ("mutations", "containers", "labels"),
    [
        pytest.param(
            [mutation("Object{metadata: Object.metadata{labels: Object.metadata.labels{team: 'a'}}}")],
            ["a"],
            {"team": "a"},
            id="apply",
        ),
        pytest.param(
            [
                mutation(
                    "Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: 'i', image: 'x'}]}}"
                )
            ],
            ["a"],
            None,
            id="list",
        ),
        pytest.param(
            [mutation("[JSONPatch{op: 'add', path: '/spec/containers/-', value: {'name': 'b'}}]", "JSONPatch")],
            ["a", "b"],
            None,
            id="json patch",
        ),
        pytest.param(
            [
                mutation("[JSONPatch{op: 'add', path: '/metadata/labels', value: {'n': '1'}}]", "JSONPatch"),
                mutation("Object{metadata: Object.metadata{labels: {'m': object.metadata.labels.n}}}"),
            ],
            ["a"],
            {"n": "1", "m": "1"},
            id="one after another",
        ),
    ],
)
async def test_mutations(
    cluster: MemoryCluster, admit: Admit, mutations: list[Obj], containers: list[str], labels: Obj | None
) -> None:
    bind(cluster, "mutating", {"matchConstraints": POD_RULES, "mutations": mutations})
    done = await admit("MutatingAdmissionPolicy", request("CREATE", "pods", pod()), kind_of=SCHEME.by_gvk)
    assert [c["name"] for c in done["spec"]["containers"]] == containers
    assert done["metadata"].get("labels") == labels
    if not labels and len(containers) == 1:
        assert done["spec"]["initContainers"][0]["name"] == "i"


@pytest.mark.parametrize(
    ("expression", "policy", "words"),
    [
        pytest.param("Object{metadata: Object.metadata{name: 'x'}}", "Fail", "may not set metadata.name", id="name"),
        pytest.param("object.nothing", "Fail", "no such key: nothing", id="fails"),
        pytest.param("object.nothing", "Ignore", "", id="ignored"),
        pytest.param("nonsense(", "Fail", "compilation failed", id="does not compile"),
    ],
)
async def test_failing_mutations(
    cluster: MemoryCluster, admit: Admit, expression: str, policy: str, words: str
) -> None:
    bind(
        cluster,
        "mutating",
        {"matchConstraints": POD_RULES, "failurePolicy": policy, "mutations": [mutation(expression)]},
    )
    asked = request("CREATE", "pods", pod())
    if not words:
        assert await admit("MutatingAdmissionPolicy", asked, kind_of=SCHEME.by_gvk) == pod()
        return
    with pytest.raises(errors.StatusError, match=words):
        await admit("MutatingAdmissionPolicy", asked, kind_of=SCHEME.by_gvk)
