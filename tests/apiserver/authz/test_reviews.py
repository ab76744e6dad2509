"""The access reviews and the escalation checks."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver import authz
from apiserver.authz import escalation, reviews
from apiserver.authz.rbac import GROUP, RBAC
from apiserver.interfaces import User
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors

Obj = dict[str, Any]
ANN = User("ann", groups=("dev",))


@pytest.fixture
def cluster() -> MemoryCluster:
    found = MemoryCluster()
    rules = [
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["bind"], "apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": ["given"]},
    ]
    found.put(GROUP, "clusterroles", {"metadata": {"name": "reader"}, "rules": rules})
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    found.put(GROUP, "clusterroles", {"metadata": {"name": "given"}, "rules": everything})
    found.put(GROUP, "clusterroles", {"metadata": {"name": "strong"}, "rules": everything})
    subject = {"kind": "User", "name": "ann"}
    reader = {"kind": "ClusterRole", "name": "reader"}
    found.put(GROUP, "clusterrolebindings", {"metadata": {"name": "b"}, "roleRef": reader, "subjects": [subject]})
    return found


PODS = {"verb": "list", "resource": "pods", "namespace": "a"}
SECRETS = {"verb": "list", "resource": "secrets", "namespace": "a"}


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        pytest.param({"user": "ann", "resourceAttributes": PODS}, True, id="yes"),
        pytest.param({"user": "ann", "resourceAttributes": SECRETS}, False, id="no"),
        pytest.param({"user": "x", "groups": ["system:masters"], "resourceAttributes": SECRETS}, True, id="group"),
        pytest.param({"user": "ann", "nonResourceAttributes": {"verb": "get", "path": "/x"}}, False, id="url"),
    ],
)
def test_subject_access(cluster: MemoryCluster, spec: Obj, allowed: bool) -> None:
    done = reviews.subject_access(authz.build(cluster, ["RBAC"]), {"spec": spec})
    assert done["status"]["allowed"] is allowed
    assert bool(done["status"].get("reason")) is (allowed and "groups" not in spec)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        pytest.param({"user": "ann"}, "spec.resourceAttributes", id="nothing asked"),
        pytest.param(
            {"user": "ann", "resourceAttributes": PODS, "nonResourceAttributes": {}},
            "spec.nonResourceAttributes",
            id="both",
        ),
        pytest.param({"resourceAttributes": PODS}, "spec.user", id="about nobody"),
    ],
)
def test_invalid_reviews(cluster: MemoryCluster, spec: Obj, path: str) -> None:
    with pytest.raises(errors.Invalid) as wrong:
        reviews.subject_access(authz.build(cluster, ["RBAC"]), {"spec": spec})
    assert wrong.value.details["causes"][0]["field"] == path


def test_self_and_local(cluster: MemoryCluster) -> None:
    authorizer = authz.build(cluster, ["RBAC"])
    assert reviews.self_subject_access(authorizer, {"spec": {"resourceAttributes": PODS}}, ANN)["status"]["allowed"]
    local = {"spec": {"user": "ann", "resourceAttributes": PODS}}
    assert reviews.local_subject_access(authorizer, local, "a")["status"]["allowed"]
    with pytest.raises(errors.BadRequest, match="does not match the namespace sent on the request"):
        reviews.local_subject_access(authorizer, local, "b")
    with pytest.raises(
        errors.Invalid, match=r"^\.authorization\.k8s\.io \"\" is invalid: .* must match metadata.namespace"
    ):
        reviews.local_subject_access(authorizer, {"spec": local["spec"]}, "b")


async def test_self_rules(cluster: MemoryCluster) -> None:
    authorizer = authz.build(cluster, ["RBAC"])
    done = await reviews.self_subject_rules(authorizer, {"spec": {"namespace": "a"}}, ANN)
    assert {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]} in done["status"]["resourceRules"]
    with pytest.raises(errors.BadRequest):
        await reviews.self_subject_rules(authorizer, {"spec": {}}, ANN)


def role(*rules: Obj, **fields: Any) -> Obj:
    return {"metadata": {"name": "new"}, "rules": list(rules), **fields}


READ_PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
WRITE_PODS = {"verbs": ["get", "create", "delete"], "apiGroups": [""], "resources": ["pods"]}
EVERYTHING_GATHERED = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}


@pytest.mark.parametrize(
    ("new", "old", "user", "refusal"),
    [
        pytest.param(role(READ_PODS), None, ANN, "", id="what ann has"),
        pytest.param(role(WRITE_PODS), None, ANN, "currently not held", id="more than ann has"),
        pytest.param(role(WRITE_PODS), None, User("root", groups=("system:masters",)), "", id="masters"),
        pytest.param(role(WRITE_PODS), role(WRITE_PODS), ANN, "", id="unchanged"),
        pytest.param(role(aggregationRule=EVERYTHING_GATHERED), None, ANN, "cluster-admin privileges", id="gathering"),
    ],
)
def test_role_escalation(cluster: MemoryCluster, new: Obj, old: Obj | None, user: User, refusal: str) -> None:
    parts = {"plural": "clusterroles", "authorizer": authz.build(cluster, ["RBAC"]), "rbac": RBAC(cluster)}
    if not refusal:
        escalation.check_role(user, new, old, **parts)  # type: ignore[arg-type]
        return
    with pytest.raises(errors.Forbidden) as refused:
        escalation.check_role(user, new, old, **parts)  # type: ignore[arg-type]
    if refusal == "currently not held":
        assert refused.value.message == (
            'clusterroles.rbac.authorization.k8s.io "new" is forbidden: user "ann" (groups=["dev"]) is attempting to grant '
            'RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["create" "delete"]}'
        )
    else:
        assert refusal in refused.value.message


def binding(name: str) -> Obj:
    return {
        "metadata": {"name": "b", "namespace": "a"},
        "roleRef": {"kind": "ClusterRole", "name": name},
        "subjects": [],
    }


@pytest.mark.parametrize(
    ("new", "old", "failure"),
    [
        pytest.param(binding("reader"), None, None, id="what ann has"),
        pytest.param(binding("given"), None, None, id="may bind"),
        pytest.param(binding("strong"), None, errors.Forbidden, id="may not"),
        pytest.param(binding("missing"), None, errors.NotFound, id="missing"),
        pytest.param(binding("strong"), binding("strong"), None, id="unchanged"),
    ],
)
def test_binding_escalation(
    cluster: MemoryCluster, new: Obj, old: Obj | None, failure: type[errors.StatusError] | None
) -> None:
    def check() -> None:
        escalation.check_binding(
            ANN,
            new,
            old,
            plural="rolebindings",
            authorizer=authz.build(cluster, ["RBAC"]),
            rbac=RBAC(cluster),
            cluster=cluster,
        )

    if failure is None:
        check()
    else:
        with pytest.raises(failure):
            check()


@pytest.mark.parametrize(
    ("selector", "wrong"),
    [
        pytest.param({}, "requirements: Required value: when spec.resourceAttributes.fieldSelector is", id="empty"),
        pytest.param(
            {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "In", "values": ["b"]}]},
            'rawSelector: Invalid value: "a=b": may not specified at the same time as requirements',
            id="both",
        ),
        pytest.param({"requirements": [{"operator": "Exists"}]}, "requirements[0].key: Required value", id="no key"),
        pytest.param({"requirements": [{"key": "a", "operator": "In"}]}, "values: Required value", id="no values"),
        pytest.param(
            {"requirements": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, "values: Forbidden", id="values"
        ),
        pytest.param({"requirements": [{"key": "a", "operator": "Newer"}]}, "", id="a newer operator"),
        pytest.param({"rawSelector": "a=b"}, "", id="text"),
    ],
)
def test_selectors_of_reviews(cluster: MemoryCluster, selector: Obj, wrong: str) -> None:
    review = {"spec": {"user": "ann", "resourceAttributes": {**PODS, "fieldSelector": selector}}}
    authorizer = authz.build(cluster, ["RBAC"])
    if wrong:
        with pytest.raises(errors.Invalid) as refused:
            reviews.subject_access(authorizer, review)
        assert wrong in refused.value.message
    else:
        assert reviews.subject_access(authorizer, review)["status"]["allowed"]
