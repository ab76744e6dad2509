"""What may be written and how it is completed: a decoded request in, changed in place or refused. `ORDER` is upstream's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apiserver.admission import configuration
from apiserver.admission.chain import Chain
from apiserver.admission.plugin import Plugin, Setup
from apiserver.interfaces import Authorizer, Cluster
from pocketkube.api.kinds.kind import Kind
from pocketkube.base.plugins import scan

__all__ = ["ORDER", "Chain", "Plugin", "Setup", "build"]

ORDER = (
    "NamespaceLifecycle",
    "LimitRanger",
    "ServiceAccount",
    "NodeRestriction",
    "TaintNodesByCondition",
    "AlwaysPullImages",
    "PodSecurity",
    "PodNodeSelector",
    "Priority",
    "DefaultTolerationSeconds",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "OwnerReferencesPermissionEnforcement",
    "PersistentVolumeClaimResize",
    "RuntimeClass",
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "RoleEscalation",
    "ResourceQuota",
)


def build(
    cluster: Cluster,
    enabled: Sequence[str] = (),
    disabled: Sequence[str] = (),
    *,
    authorizer: Authorizer | None = None,
    kind_of: Callable[[str, str, str], Kind | None] | None = None,
    config_file: str = "",
) -> Chain:
    """The chain of the default plugins and `enabled`, without `disabled`. Raises ValueError for a name that is not
    there, BadFile for a `config_file` that cannot be used."""
    found: dict[str, type[Plugin]] = {p.name: p for p in available().values()}
    unknown = [name for name in (*enabled, *disabled) if name not in found]
    if unknown:
        raise ValueError(f"unknown admission plugin {', '.join(unknown)}; known are {', '.join(ORDER)}")
    configured = configuration.load(config_file, found) if config_file else {}
    setup = Setup(cluster=cluster, authorizer=authorizer, kind_of=kind_of, configuration=configured)
    names = [n for n in ORDER if n in found and n not in disabled and (n in enabled or found[n].default)]
    return Chain([found[name](setup) for name in names])


def available() -> dict[str, type[Plugin]]:
    """Every plugin there is, by its file's stem."""
    return scan("apiserver.admission.plugins", "ADMISSION")
