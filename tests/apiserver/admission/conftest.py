"""A cluster of one namespace and its default service account, and requests made short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apiserver import admission
from apiserver.interfaces import AdmissionRequest, Operation, User
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.scheme import builtin

Obj = dict[str, Any]
ADMIN = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))
SCHEME = builtin()


def kind_of(resource: str) -> Kind:
    plural, _, group = resource.partition(".")
    version = SCHEME.versions(group)[0]
    found = SCHEME.by_plural(group, version, plural)
    assert found is not None
    return found


def request(
    operation: Operation,
    resource: str,
    obj: Obj | None,
    old: Obj | None = None,
    *,
    user: User = ADMIN,
    namespace: str = "default",
) -> AdmissionRequest:
    """`resource` is `pods`, `deployments.apps` or `pods/status`."""
    resource, _, subresource = resource.partition("/")
    kind = kind_of(resource)
    name = ((obj or old or {}).get("metadata") or {}).get("name", "")
    where = namespace if kind.namespaced else ""
    return AdmissionRequest(operation, kind, where, name, subresource, obj, old, user)


def pod(**spec: Any) -> Obj:
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [{"name": "a"}], **spec}}


Admit = Callable[..., Any]


@pytest.fixture
def cluster() -> MemoryCluster:
    found = MemoryCluster()
    found.put("", "namespaces", {"metadata": {"name": "default"}, "status": {"phase": "Active"}})
    found.put("", "serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
    return found


@pytest.fixture
def admit(cluster: MemoryCluster) -> Admit:
    """`await admit("Priority", request)`: one plugin alone, both phases, and the object it leaves."""

    async def run(plugin: str, asked: AdmissionRequest, **setup: Any) -> Any:
        others = [name for name in admission.ORDER if name != plugin]
        chain = admission.build(cluster, [plugin], [n for n in others if n in known()], **setup)
        await chain.mutate(asked)
        await chain.validate(asked)
        return asked.obj

    return run


def known() -> set[str]:
    return {p.name for p in admission.available().values()}
