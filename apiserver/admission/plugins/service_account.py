"""ServiceAccount: every pod runs as a service account of its namespace and, unless told not to, gets that account's token."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin, Setup, creates_pods, forbidden, is_mirror
from apiserver.authz import references
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import names

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
_ATTEMPTS, _PAUSE_SECONDS = 50, 0.02  # a new namespace's default account is made a moment after it


class ServiceAccount(Plugin):
    name = "ServiceAccount"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._clock = setup.clock

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return creates_pods(kind, operation, subresource)

    def mutate(self, request: AdmissionRequest) -> Outcome:
        pod = request.obj
        assert pod is not None
        if is_mirror(pod):
            return None
        spec = pod["spec"]
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = "default"
        name = spec["serviceAccount"] = spec["serviceAccountName"]
        account = self.cluster.get("", "serviceaccounts", request.namespace, name)
        if account is None:
            return self._wait(request, name)
        complete(spec, account)
        return None

    async def _wait(self, request: AdmissionRequest, name: str) -> None:
        for attempt in range(_ATTEMPTS if name == "default" else 1):
            if attempt:
                await self._clock.sleep(_PAUSE_SECONDS)
            account = await self.cluster.get_live("", "serviceaccounts", request.namespace, name)
            if account is not None:
                assert request.obj is not None
                complete(request.obj["spec"], account)
                return
        why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden(request, why)

    def validate(self, request: AdmissionRequest) -> Outcome:
        pod = request.obj
        assert pod is not None
        if is_mirror(pod):
            _check_mirror(request, pod)
            return None
        name = pod["spec"].get("serviceAccountName", "")
        account = self.cluster.get("", "serviceaccounts", request.namespace, name)
        if account is not None and (account["metadata"].get("annotations") or {}).get(ENFORCE_SECRETS) == "true":
            _check_secrets(request, pod, account)
        return None


def complete(spec: Obj, account: Obj) -> None:
    """Pull secrets and the token volume of `account` into a pod's spec, in place."""
    automount = spec.get("automountServiceAccountToken")
    if automount is None:
        automount = account.get("automountServiceAccountToken")
    if automount is None or automount:
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [{"name": s.get("name", "")} for s in account["imagePullSecrets"]]


def _mount_token(spec: Obj) -> None:
    volumes = spec.get("volumes") or []
    volume = next((v["name"] for v in volumes if v["name"].startswith(VOLUME_PREFIX)), "")
    name = volume or names.generate_name(VOLUME_PREFIX)
    needed = False
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            mounts = container.get("volumeMounts") or []
            if not any(m.get("mountPath") == MOUNT_PATH for m in mounts):
                container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
                needed = True
    if needed and not volume:
        spec["volumes"] = [*volumes, {"name": name, "projected": token_volume()}]


def token_volume() -> Obj:
    """The projected volume of a pod's credentials: token, cluster CA and namespace."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }


def _check_mirror(request: AdmissionRequest, pod: Obj) -> None:
    spec = pod["spec"]
    if spec.get("serviceAccountName"):
        raise forbidden(request, "a mirror pod may not reference service accounts")
    bare = {**pod, "metadata": {"name": pod["metadata"].get("name", "")}}  # seen as if it were no mirror
    if references.of_pod(bare).get("secrets"):
        raise forbidden(request, "a mirror pod may not reference secrets")
    for volume in spec.get("volumes") or ():
        if any("serviceAccountToken" in s for s in (volume.get("projected") or {}).get("sources") or ()):
            raise forbidden(request, "a mirror pod may not use service account token volume projections")


def _check_secrets(request: AdmissionRequest, pod: Obj, account: Obj) -> None:
    """An account may say that its pods use no secrets but those that it lists."""
    allowed = {s.get("name") for s in account.get("secrets") or ()}
    pulled = {s.get("name") for s in account.get("imagePullSecrets") or ()}
    name = account["metadata"]["name"]
    pulls = {s.get("name", "") for s in pod["spec"].get("imagePullSecrets") or ()}
    bare = {**pod, "metadata": {"name": pod["metadata"].get("name", "")}}
    for secret in sorted(references.of_pod(bare).get("secrets", frozenset()) - pulls):
        if secret not in allowed:
            why = f'secret "{secret}" is not allowed because service account {name} does not reference that secret'
            raise forbidden(request, why)
    for secret in sorted(pulls):
        if secret not in pulled:
            why = f'imagePullSecret "{secret}" is not allowed because service account {name} does not reference it'
            raise forbidden(request, why)


ADMISSION = ServiceAccount
