"""Objects that every cluster has beyond what the API server makes itself: deploy/addons, with the cluster's own values."""

from __future__ import annotations

import base64
import re

import yaml

from pocketkube.cluster.api import Api
from pocketkube.cluster.layout import REPOSITORY, Layout
from pocketkube.cluster.readiness import wait
from pocketkube.cluster.spec import ClusterSpec

PLURALS = {"Service": "services", "ConfigMap": "configmaps", "StorageClass": "storageclasses", "ClusterRole": "clusterroles",
           "ClusterRoleBinding": "clusterrolebindings", "Role": "roles", "RoleBinding": "rolebindings"}  # fmt: skip


def apply(layout: Layout, spec: ClusterSpec, api: Api) -> None:
    ca = base64.b64encode((layout.pki / "ca.crt").read_bytes()).decode()
    values = {"DNS_IP": spec.dns_ip, "DOMAIN": spec.domain, "SERVER": spec.internal_server, "CA_DATA": ca,
              "POD_CIDR": spec.pod_cidr, "SERVICE_CIDR": spec.service_cidr}  # fmt: skip
    for path in sorted((REPOSITORY / "deploy" / "addons").glob("*.yaml")):
        text = re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], path.read_text())
        for obj in yaml.safe_load_all(text):
            if obj:
                _apply_one(layout, api, obj)


def _apply_one(layout: Layout, api: Api, obj: dict[str, object]) -> None:
    version, kind, meta = str(obj["apiVersion"]), str(obj["kind"]), obj["metadata"]
    assert isinstance(meta, dict)
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    scope = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    path = f"{root}{scope}/{PLURALS[kind]}/{meta['name']}"

    def applied() -> bool:
        try:
            api.apply(obj, path)
        except OSError:
            return False
        return True

    wait(f"applying {kind} {meta['name']}", layout, applied, seconds=30)
