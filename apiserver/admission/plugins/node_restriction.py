"""NodeRestriction: a kubelet writes its own node, its own lease and its own pods only, and takes tokens for those pods only."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.admission.plugin import Obj, Outcome, Plugin, forbidden, is_mirror
from apiserver.authn.csr import COMMON_NAME, subject
from apiserver.authz import references
from apiserver.authz.node import node_name
from apiserver.interfaces import AdmissionRequest, RequestInfo
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

_SIGNERS = ("kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving")
_RESTRICTED = "node-restriction.kubernetes.io"
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "node.kubernetes.io/windows-build",
    }
)
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
Check = Callable[["NodeRestriction", AdmissionRequest, str], None]


class NodeRestriction(Plugin):
    name = "NodeRestriction"
    default = False

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource in _CHECKS and operation in ("CREATE", "UPDATE", "DELETE")

    def validate(self, request: AdmissionRequest) -> Outcome:
        node = node_name(request.user)
        if not node:
            if "system:nodes" in request.user.groups:
                who = request.user.name
                raise forbidden(request, f'could not determine node from user "{who}"')
            return None
        if request.kind.resource == "serviceaccounts":
            return self._token(request, node) if request.subresource == "token" else None
        if request.kind.resource == "pods" and (request.operation == "DELETE" or request.subresource == "eviction"):
            return self._removal(request, node)
        _CHECKS[request.kind.resource](self, request, node)
        return None

    async def _removal(self, request: AdmissionRequest, node: str) -> None:
        pod = request.old if request.operation == "DELETE" and request.old else None
        if pod is None:
            name = request.name or ((request.obj or {}).get("metadata") or {}).get("name", "")
            pod = self.cluster.get("", "pods", request.namespace, name)
            if pod is None:
                pod = await self.cluster.get_live("", "pods", request.namespace, name)
            if pod is None:
                raise errors.not_found("", "pods", name)
        if pod["spec"].get("nodeName") != node:
            verb = "evict" if request.subresource else "delete"
            who = node if request.subresource else f'"{node}"'
            raise forbidden(request, f"node {who} can only {verb} pods with spec.nodeName set to itself")

    async def _token(self, request: AdmissionRequest, node: str) -> None:
        spec = (request.obj or {}).get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
            raise forbidden(request, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise forbidden(request, "node requested token with a pod binding without a uid")
        pod = self.cluster.get("", "pods", request.namespace, bound["name"])
        if pod is None or pod["metadata"].get("uid") != bound["uid"]:
            pod = await self.cluster.get_live("", "pods", request.namespace, bound["name"])
        if pod is None:
            raise errors.not_found("", "pods", bound["name"])
        if pod["metadata"].get("uid") != bound["uid"]:
            raise forbidden(
                request,
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record "
                f"({pod['metadata'].get('uid')}). The object might have been deleted and then recreated",
            )
        if pod["spec"].get("nodeName") != node:
            raise forbidden(request, "node requested token bound to a pod scheduled on a different node")
        self._audiences(request, pod, spec.get("audiences") or [])

    def _audiences(self, request: AdmissionRequest, pod: Obj, audiences: list[str]) -> None:
        """A kubelet asks for the audiences that its pod's volumes name, and for none of its own invention."""
        named = {"", *self._csi_audiences(pod)}
        for volume in pod["spec"].get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if token := source.get("serviceAccountToken"):
                    named.add(token.get("audience") or "")
        if len(audiences) > 1:
            raise forbidden(request, "node may only request 0 or 1 audiences")
        for audience in audiences:
            if audience not in named and not self._may_ask(request, audience):
                raise forbidden(request, f'audience "{audience}" not found in pod spec volume')

    def _csi_audiences(self, pod: Obj) -> set[str]:
        drivers = {(v.get("csi") or {}).get("driver", "") for v in pod["spec"].get("volumes") or ()}
        for claim_name in references.of_pod(pod).get("persistentvolumeclaims", ()):
            claim = self.cluster.get("", "persistentvolumeclaims", pod["metadata"]["namespace"], claim_name)
            volume_name = ((claim or {}).get("spec") or {}).get("volumeName", "")
            volume = self.cluster.get("", "persistentvolumes", "", volume_name) if volume_name else None
            drivers.add((((volume or {}).get("spec") or {}).get("csi") or {}).get("driver", ""))
        found = set()
        for driver in filter(None, drivers):
            spec = (self.cluster.get("storage.k8s.io", "csidrivers", "", driver) or {}).get("spec") or {}
            found |= {r.get("audience", "") for r in spec.get("tokenRequests") or ()}
        return found

    def _may_ask(self, request: AdmissionRequest, audience: str) -> bool:
        if self.setup.authorizer is None:
            return False
        wanted = RequestInfo(
            "request-serviceaccounts-token-audience",
            "",
            True,
            "",
            "v1",
            audience,
            namespace=request.namespace,
            name=request.name,
        )
        return self.setup.authorizer.authorize(request.user, wanted).allowed

    def _pod(self, request: AdmissionRequest, node: str) -> None:
        pod = request.obj or {}
        if request.subresource == "status":
            old = request.old or pod
            if old["spec"].get("nodeName") != node:
                raise forbidden(
                    request, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
                )
            if (pod["metadata"].get("labels") or {}) != (old["metadata"].get("labels") or {}):
                raise forbidden(request, f'node "{node}" cannot update labels through pod status')
        elif request.subresource:
            why = f"unexpected pod subresource \"{request.subresource}\", only 'status' and 'eviction' are allowed"
            raise forbidden(request, why)
        elif request.operation == "CREATE":
            self._mirror(request, pod, node)
        else:
            raise forbidden(
                request,
                f'unexpected operation "{request.operation}", node "{node}" can only create and delete mirror pods',
            )

    def _mirror(self, request: AdmissionRequest, pod: Obj, node: str) -> None:
        if not is_mirror(pod):
            why = (
                f'pod does not have "kubernetes.io/config.mirror" annotation, node "{node}" can only create mirror pods'
            )
            raise forbidden(request, why)
        if pod["spec"].get("nodeName") != node:
            raise forbidden(request, f'node "{node}" can only create pods with spec.nodeName set to itself')
        self._owner(request, pod, node)
        bare = {**pod, "metadata": {"name": pod["metadata"].get("name", "")}}
        for plural, named in references.of_pod(bare).items():
            if named:
                what = "a service account" if plural == "serviceaccounts" else plural
                raise forbidden(request, f'node "{node}" can not create pods that reference {what}')

    def _owner(self, request: AdmissionRequest, pod: Obj, node: str) -> None:
        owners = pod["metadata"].get("ownerReferences") or []
        if len(owners) > 1:
            raise forbidden(request, f'node "{node}" can only create pods with a single owner reference set to itself')
        if not owners:
            raise forbidden(request, f'node "{node}" can only create pods with an owner reference set to itself')
        for owner in owners:
            if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
                raise forbidden(request, f'node "{node}" can only create pods with an owner reference set to itself')
            if not owner.get("controller"):
                raise forbidden(
                    request, f'node "{node}" can only create pods with a controller owner reference set to itself'
                )
            if owner.get("blockOwnerDeletion"):
                raise forbidden(request, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
            found = self.cluster.get("", "nodes", "", node)
            there = found["metadata"].get("uid") if found else None
            if there != owner.get("uid"):
                raise forbidden(request, f'node "{node}" UID mismatch: expected {owner.get("uid")} got {there}')

    def _node(self, request: AdmissionRequest, node: str) -> None:
        new, old = request.obj or {}, request.old
        name = request.name or (new.get("metadata") or {}).get("name", "")
        if name != node:
            raise forbidden(request, f'node "{node}" is not allowed to modify node "{name}"')
        if request.operation == "DELETE":
            return
        if (new.get("spec") or {}).get("configSource") is not None and old is None:
            raise forbidden(request, f'node "{node}" is not allowed to create pods with a non-nil configSource')
        labels = new["metadata"].get("labels") or {}
        old_labels = old["metadata"].get("labels") or {} if old else {}
        changed = {k for k in labels.keys() | old_labels.keys() if labels.get(k) != old_labels.get(k)}
        if wrong := sorted(k for k in changed if not _may_label(k)):
            listed = ", ".join(wrong)
            if old is None:
                raise forbidden(request, f'node "{node}" is not allowed to set the following labels: {listed}')
            raise forbidden(request, f"is not allowed to modify labels: {listed}")
        if old is None:
            return
        source = (new.get("spec") or {}).get("configSource")
        if source is not None and source != (old.get("spec") or {}).get("configSource"):
            raise forbidden(
                request, f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
            )
        if (new.get("spec") or {}).get("taints") != (old.get("spec") or {}).get("taints"):
            raise forbidden(request, f'node "{node}" is not allowed to modify taints')
        if new["metadata"].get("ownerReferences") != old["metadata"].get("ownerReferences"):
            raise forbidden(request, f'node "{node}" is not allowed to modify ownerReferences')

    def _claim(self, request: AdmissionRequest, node: str) -> None:
        if request.operation != "UPDATE" or request.subresource != "status":
            why = f'unexpected operation "{request.operation}", node "{node}" can only update the status of persistentvolumeclaims'
            raise forbidden(request, why)
        new, old = request.obj or {}, request.old or {}
        kept = ("resizeStatus", "capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
        before, after = ({k: v for k, v in (o.get("status") or {}).items() if k not in kept} for o in (old, new))
        before_meta, after_meta = (
            {k: v for k, v in o["metadata"].items() if k not in ("managedFields", "resourceVersion")}
            for o in (old, new)
        )
        if before != after or before_meta != after_meta or old.get("spec") != new.get("spec"):
            why = f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
            raise forbidden(request, why)

    def _lease(self, request: AdmissionRequest, node: str) -> None:
        name = request.name or ((request.obj or {}).get("metadata") or {}).get("name", "")
        if request.namespace != "kube-node-lease":
            raise forbidden(request, 'can only access leases in the "kube-node-lease" system namespace')
        if name != node:
            raise forbidden(request, "can only access node lease with the same name as the requesting node")

    def _csi_node(self, request: AdmissionRequest, node: str) -> None:
        name = request.name or ((request.obj or {}).get("metadata") or {}).get("name", "")
        if name != node:
            raise forbidden(request, "can only access CSINode with the same name as the requesting node")

    def _resource_slice(self, request: AdmissionRequest, node: str) -> None:
        found = request.old if request.operation == "DELETE" else request.obj
        if ((found or {}).get("spec") or {}).get("nodeName") != node:
            verb = "create" if request.operation == "CREATE" else request.operation.lower()
            raise forbidden(request, f"can only {verb} ResourceSlice with the same NodeName as the requesting node")

    def _certificate(self, request: AdmissionRequest, node: str) -> None:
        spec = (request.obj or {}).get("spec") or {}
        if request.operation != "CREATE" or request.subresource or spec.get("signerName") not in _SIGNERS:
            return
        wanted = f"system:node:{node}"
        if subject(spec.get("request", ""), COMMON_NAME) != [wanted]:
            raise forbidden(request, f"can only create a node CSR with CN={wanted}")


def _may_label(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    if domain == _RESTRICTED or domain.endswith("." + _RESTRICTED):
        return False
    if key in _OWN_LABELS or any(domain == d or domain.endswith("." + d) for d in _OWN_DOMAINS):
        return True
    return not any(domain == d or domain.endswith("." + d) for d in ("kubernetes.io", "k8s.io"))


_CHECKS: dict[str, Check] = {
    "pods": NodeRestriction._pod,
    "nodes": NodeRestriction._node,
    "persistentvolumeclaims": NodeRestriction._claim,
    "serviceaccounts": NodeRestriction._pod,
    "leases.coordination.k8s.io": NodeRestriction._lease,
    "csinodes.storage.k8s.io": NodeRestriction._csi_node,
    "resourceslices.resource.k8s.io": NodeRestriction._resource_slice,
    "certificatesigningrequests.certificates.k8s.io": NodeRestriction._certificate,
}

ADMISSION = NodeRestriction
