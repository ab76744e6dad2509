"""PodSecurity: a namespace's labels say which Pod Security Standard its pods must keep, and which to warn and note about."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from apiserver import configfile
from apiserver.admission import pod_security
from apiserver.admission.plugin import Obj, Outcome, Plugin, Setup, forbidden
from apiserver.configfile import BadFile
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

_VERSIONS = tuple(f"pod-security.admission.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)")
# Where kinds that make pods keep the template.
_TEMPLATES = {
    "replicationcontrollers": ("spec", "template"),
    "podtemplates": ("template",),
    "deployments.apps": ("spec", "template"),
    "replicasets.apps": ("spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
}


class Policy(NamedTuple):
    """`level:version` of each mode; the level decides, and the newest controls stand for every version."""

    enforce: str = "privileged"
    audit: str = "privileged"
    warn: str = "privileged"
    enforce_version: str = "latest"
    audit_version: str = "latest"
    warn_version: str = "latest"


class Exemptions(NamedTuple):
    """Whose pods are not looked at."""

    usernames: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()

    def reason(self, request: AdmissionRequest) -> str | None:
        if request.namespace in self.namespaces:
            return "namespace"
        if request.user.name in self.usernames:
            return "user"
        if self.runtime_classes and request.obj is not None:
            spec = _pod_of(request.kind.resource, request.obj).get("spec") or {}
            if spec.get("runtimeClassName") in self.runtime_classes:
                return "runtimeClass"
        return None


_NOBODY = Exemptions()


class PodSecurity(Plugin):
    name = "PodSecurity"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        path, config = setup.configuration.get(self.name, ("", {}))
        self._defaults, self._exempt = _configured(path, config) if config else ((), _NOBODY)

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        if operation not in ("CREATE", "UPDATE"):
            return False
        if kind.resource == "pods":
            return subresource in ("", "ephemeralcontainers")
        return not subresource and (kind.resource in _TEMPLATES or kind.resource == "namespaces")

    def validate(self, request: AdmissionRequest) -> Outcome:
        if request.kind.resource == "namespaces":
            self._namespace(request)
            return None
        namespace = self.cluster.get("", "namespaces", "", request.namespace)
        labels = (namespace or {"metadata": {}})["metadata"].get("labels") or {}
        policy = _policy((*self._defaults, *((k, v) for k, v in labels.items() if k.startswith(PREFIX))))
        if policy is _FREE or request.obj is None:
            return None
        if (by := self._exempt.reason(request)) is not None:
            request.annotations[f"{PREFIX}exempt"] = by
            return None
        if request.kind.resource == "pods":
            _judge_pod(request, policy)
        else:
            _judge_template(request, policy)
        return None

    def _namespace(self, request: AdmissionRequest) -> None:
        """Labels must be readable; a stricter level warns about the pods that already break it."""
        labels = ((request.obj or {}).get("metadata") or {}).get("labels") or {}
        old_labels = ((request.old or {}).get("metadata") or {}).get("labels") or {}
        for key, value in labels.items():
            if key.startswith(PREFIX) and old_labels.get(key) != value and (wrong := _wrong_label(key, value)):
                raise forbidden(request, wrong)
        level = labels.get(f"{PREFIX}enforce", "privileged")
        if request.operation == "UPDATE" and level != old_labels.get(f"{PREFIX}enforce", "privileged"):
            self._warn_existing(request, level)

    def _warn_existing(self, request: AdmissionRequest, level: str) -> None:
        by_reason: dict[str, list[str]] = {}
        for pod in self.cluster.list("", "pods", request.name):
            found = pod_security.violations(level, pod["metadata"], pod["spec"])
            if found:
                by_reason.setdefault(", ".join(title for title, _ in found), []).append(pod["metadata"]["name"])
        if by_reason:
            version = f'"{level}:latest"'
            request.warnings.append(
                f'existing pods in namespace "{request.name}" violate the new PodSecurity enforce level {version}'
            )
        for reason, names in by_reason.items():
            others = len(names) - 1
            more = "" if not others else f" (and {others} other pod{'s' if others > 1 else ''})"
            request.warnings.append(f"{names[0]}{more}: {reason}")


_FREE = Policy()


def _configured(path: str, config: Obj) -> tuple[tuple[tuple[str, str], ...], Exemptions]:
    """The labels that a namespace without labels has, and the exemptions. Raises BadFile."""
    configfile.check(config, path, "PodSecurityConfiguration", _VERSIONS)
    configfile.only(config, path, "", ("kind", "apiVersion", "defaults", "exemptions"))
    defaults, exempt = config.get("defaults") or {}, config.get("exemptions") or {}
    modes = ("enforce", "audit", "warn")
    configfile.only(defaults, path, "defaults", [*modes, *(f"{mode}-version" for mode in modes)])
    configfile.only(exempt, path, "exemptions", ("usernames", "namespaces", "runtimeClasses"))
    for name, value in defaults.items():
        if _wrong_label(f"{PREFIX}{name}", str(value)):
            raise BadFile(f'{path}: defaults.{name}: Invalid value: "{value}"')
    labels = tuple((f"{PREFIX}{name}", str(value)) for name, value in defaults.items())
    parts = ("usernames", "namespaces", "runtimeClasses")
    return labels, Exemptions(*(frozenset(exempt.get(part) or ()) for part in parts))


@functools.lru_cache(maxsize=1024)
def _policy(labels: tuple[tuple[str, str], ...]) -> Policy:
    """What the labels ask for. A level that cannot be read enforces restricted: better shut than open."""
    found = {}
    for key, value in labels:
        field = key.removeprefix(PREFIX).replace("-", "_")
        if field.endswith("_version"):
            found[field] = value if _VERSION.fullmatch(value) else "latest"
        elif field in Policy._fields:
            found[field] = value if value in pod_security.LEVELS else "restricted"
    policy = Policy(**found)
    return _FREE if policy[:3] == _FREE[:3] else policy


def _judge_pod(request: AdmissionRequest, policy: Policy) -> None:
    assert request.obj is not None
    if request.old is not None and not _significant(request.obj, request.old):
        return
    found = _judge(policy.enforce, request.obj)
    request.annotations[f"{PREFIX}enforce-policy"] = f"{policy.enforce}:{policy.enforce_version}"
    if found:
        raise forbidden(request, f'violates PodSecurity "{policy.enforce}:{policy.enforce_version}": {found}')
    _note(request, policy, request.obj, skip=policy.enforce)


def _pod_of(resource: str, obj: Obj) -> Obj:
    """A pod itself, or the template in what makes pods."""
    for field in _TEMPLATES.get(resource, ()):
        obj = obj.get(field) or {}
    return obj


def _judge_template(request: AdmissionRequest, policy: Policy) -> None:
    found = _pod_of(request.kind.resource, request.obj or {})
    if found.get("spec"):
        _note(request, policy, found, skip="")


def _note(request: AdmissionRequest, policy: Policy, pod: Obj, *, skip: str) -> None:
    """Audit annotation and warning; a level that was already enforced has nothing left to say."""
    if policy.audit != skip and (text := _judge(policy.audit, pod)):
        version = f'"{policy.audit}:{policy.audit_version}"'
        request.annotations[f"{PREFIX}audit-violations"] = f"would violate PodSecurity {version}: {text}"
    if policy.warn != skip and (text := _judge(policy.warn, pod)):
        request.warnings.append(f'would violate PodSecurity "{policy.warn}:{policy.warn_version}": {text}')


def _judge(level: str, pod: Obj) -> str:
    return pod_security.render(pod_security.violations(level, pod.get("metadata") or {}, pod["spec"]))


def _significant(new: Obj, old: Obj) -> bool:
    """Whether an update touches anything a control looks at: image changes and the like do not."""

    def bare(pod: Obj) -> Obj:
        spec = dict(pod["spec"])
        for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates", "terminationGracePeriodSeconds"):
            spec.pop(field, None)
        for field in ("initContainers", "containers", "ephemeralContainers"):
            spec[field] = [{k: v for k, v in c.items() if k != "image"} for c in spec.get(field) or ()]
        marks = {
            k: v for k, v in (pod["metadata"].get("annotations") or {}).items() if "apparmor" in k or "seccomp" in k
        }
        return {"spec": spec, "annotations": marks}

    return bare(new) != bare(old)


def _wrong_label(key: str, value: str) -> str:
    field = key.removeprefix(PREFIX)
    if field.endswith("-version"):
        return (
            ""
            if _VERSION.fullmatch(value)
            else f'metadata.labels[{key}]: Invalid value: "{value}": must be "latest" or "v1.x"'
        )
    if field in ("enforce", "audit", "warn") and value not in pod_security.LEVELS:
        return f'metadata.labels[{key}]: Invalid value: "{value}": must be one of privileged, baseline, restricted'
    return ""


ADMISSION = PodSecurity
