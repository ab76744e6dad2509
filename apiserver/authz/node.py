"""The node authorizer: a kubelet reads what the pods bound to its node need, and nothing of other nodes' pods.

Whether a node may read an object is a walk from the object to a pod on that node. The pod found is kept as a witness:
the next question about the same object only checks that this pod is still there and still on the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.authz import references, rules
from apiserver.authz.policy.node import NODE_RULES
from apiserver.interfaces import Cluster, Decision, RequestInfo, User

Obj = dict[str, Any]

USER_PREFIX = "system:node:"
GROUP = "system:nodes"
_ALLOWED = Decision(True)
_NO_OPINION = Decision(False)
_KEPT = 16384


def node_name(user: User) -> str:
    """The node that a user is, "" where it is none: its name and its group must both say so."""
    return user.name[len(USER_PREFIX) :] if user.name.startswith(USER_PREFIX) and GROUP in user.groups else ""


class NodeAuthorizer:
    """Implements `Authorizer`; it never denies, so that RBAC may still allow."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._witnesses: dict[tuple[str, str, str, str], tuple[str, str, str]] = {}

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        node = node_name(user)
        if not node:
            return Decision(False, f'unknown node for user "{user.name}"') if _nameless(user) else _NO_OPINION
        if not request.is_resource:
            return Decision(False)
        why = self._restricted(node, request)
        if why is not None:
            return Decision(False, why) if why else _ALLOWED
        return _ALLOWED if any(rules.allows(rule, request) for rule in NODE_RULES) else Decision(False)

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        return [], [], "node authorizer does not support user rule resolution" if node_name(user) else ""

    def _restricted(self, node: str, request: RequestInfo) -> str | None:
        """ "" allows, words refuse, None leaves it to the static rules."""
        match request.group, request.resource:
            case ("", "secrets" | "configmaps"):
                return self._readable(node, request)
            case ("", "persistentvolumeclaims") if request.subresource == "status":
                return self._status(node, request)
            case ("", "persistentvolumeclaims" | "persistentvolumes") | ("storage.k8s.io", "volumeattachments"):
                return self._gettable(node, request)
            case ("resource.k8s.io", "resourceclaims"):
                return self._gettable(node, request)
            case ("", "serviceaccounts"):
                return self._service_account(node, request)
            case ("", "pods"):
                return self._pod(node, request)
            case ("", "nodes"):
                return _own_node(node, request)
            case ("coordination.k8s.io", "leases"):
                return _own(node, request, namespace="kube-node-lease", what="node lease")
            case ("storage.k8s.io", "csinodes"):
                return _own(node, request, namespace="", what="CSINode")
            case ("resource.k8s.io", "resourceslices"):
                return _resource_slice(node, request)
        return None

    def _readable(self, node: str, request: RequestInfo) -> str:
        if request.verb not in ("get", "list", "watch"):
            return "can only read resources of this type"
        if request.subresource:
            return "cannot read subresource"
        if not request.namespace:
            return "can only read namespaced object of this type"
        return self._related(node, request)

    def _gettable(self, node: str, request: RequestInfo) -> str:
        if request.verb != "get":
            return "can only get individual resources of this type"
        if request.subresource:
            return "cannot get subresource"
        return self._related(node, request)

    def _status(self, node: str, request: RequestInfo) -> str:
        if request.verb not in ("update", "patch"):
            return "can only update or patch the status subresource"
        return self._related(node, request)

    def _service_account(self, node: str, request: RequestInfo) -> str:
        if (request.verb, request.subresource) not in (("create", "token"), ("get", "")):
            return "can only create tokens for individual service accounts or get them"
        return self._related(node, request)

    def _pod(self, node: str, request: RequestInfo) -> str | None:
        if request.subresource or request.verb not in ("get", "list", "watch"):
            return None
        if request.verb == "get":
            return self._related(node, request)
        if _selects(request.field_selector, "spec.nodeName", node):
            return ""
        if request.name:
            return self._related(node, request)
        return f"can only list/watch pods with spec.nodeName field selector of {node}"

    def _related(self, node: str, request: RequestInfo) -> str:
        if not request.name:
            return "No Object name found"
        key = (node, request.resource, request.namespace, request.name)
        witness = self._witnesses.get(key)
        if witness is not None and self._holds(node, witness):
            return ""
        if request.resource == "volumeattachments":
            attachment = self._cluster.get(request.group, request.resource, "", request.name)
            related = attachment is not None and attachment["spec"].get("nodeName") == node
            return "" if related else _unrelated(node)
        for pod in self._pods_needing(node, request.resource, namespace=request.namespace, name=request.name):
            if len(self._witnesses) >= _KEPT:
                self._witnesses.clear()
            meta = pod["metadata"]
            # A later version of the pod may bind other claims: only what its spec fixes for life is worth keeping.
            if request.resource in references.FIXED:
                self._witnesses[key] = (meta["namespace"], meta["name"], meta.get("uid", ""))
            return ""
        return _unrelated(node)

    def _holds(self, node: str, witness: tuple[str, str, str]) -> bool:
        pod = self._cluster.get("", "pods", witness[0], witness[1])
        return pod is not None and pod["metadata"].get("uid", "") == witness[2] and pod["spec"].get("nodeName") == node

    def _pods_needing(self, node: str, resource: str, *, namespace: str, name: str) -> Iterator[Obj]:
        """Pods on `node` from which the object can be reached."""
        if resource == "pods":
            pod = self._cluster.get("", "pods", namespace, name)
            yield from self._on(node, [pod] if pod else [])
            return
        if resource == "persistentvolumes":
            volume = self._cluster.get("", resource, "", name)
            yield from self._through_volumes(node, [volume] if volume else [])
            return
        for pod in self._on(node, self._cluster.list("", "pods", namespace)):
            if name in references.of_pod(pod).get(resource, ()):
                yield pod
        if resource == "secrets":
            volumes = self._cluster.list("", "persistentvolumes")
            yield from self._through_volumes(
                node, [v for v in volumes if (namespace, name) in references.secrets_of_volume(v)]
            )

    def _through_volumes(self, node: str, volumes: Iterable[Obj]) -> Iterator[Obj]:
        for volume in volumes:
            claim = volume["spec"].get("claimRef") or {}
            if claim.get("name"):
                where = claim.get("namespace", "")
                yield from self._pods_needing(node, "persistentvolumeclaims", namespace=where, name=claim["name"])

    @staticmethod
    def _on(node: str, pods: Iterable[Obj]) -> Iterator[Obj]:
        return (pod for pod in pods if pod["spec"].get("nodeName") == node)


def _nameless(user: User) -> bool:
    return user.name == USER_PREFIX and GROUP in user.groups


def _unrelated(node: str) -> str:
    return f"no relationship found between node '{node}' and this object"


def _own(node: str, request: RequestInfo, *, namespace: str, what: str) -> str:
    """Objects named like the node."""
    if request.verb not in ("get", "create", "update", "patch", "delete"):
        return f"can only get, create, update, patch, or delete a {what}"
    if request.subresource:
        return "cannot access subresource"
    if request.namespace != namespace:
        return f'can only access leases in the "{namespace}" system namespace'
    # A create has no name yet; admission looks at the object.
    if request.verb != "create" and request.name != node:
        return f"can only access {what} with the same name as the requesting node"
    return ""


def _own_node(node: str, request: RequestInfo) -> str | None:
    if request.subresource not in ("", "status"):
        return None
    if request.verb in ("list", "watch"):
        if request.name == node or _selects(request.field_selector, "metadata.name", node):
            return ""
        return f"node '{node}' cannot read all nodes, only its own Node object"
    if request.verb == "get":
        return "" if request.name == node else f"node '{node}' cannot read '{request.name}', only its own Node object"
    return None


def _resource_slice(node: str, request: RequestInfo) -> str:
    if request.subresource:
        return "cannot access subresource"
    if request.verb in ("get", "create", "update", "patch", "delete"):
        return ""  # admission compares the slice's nodeName
    if request.verb in ("list", "watch", "deletecollection") and _selects(
        request.field_selector, "spec.nodeName", node
    ):
        return ""
    return "can only list/watch/deletecollection resourceslices with spec.nodeName field selector"


def _selects(selector: str, field: str, value: str) -> bool:
    terms = (term.replace("==", "=", 1) for term in selector.split(",")) if selector else ()
    return f"{field}={value}" in terms
