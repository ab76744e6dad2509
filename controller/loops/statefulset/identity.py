"""What makes a StatefulSet's pod itself: its ordinal, name, labels and volume claims. Pure."""

from __future__ import annotations

import re
from typing import Any

from controller.pod_control import pod_from_template
from controller.revisions import POD_LABEL
from pocketkube.client.resources import STATEFULSETS

Obj = dict[str, Any]

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)$")


def replicas(stateful_set: Obj) -> int:
    return int(stateful_set["spec"].get("replicas", 1))


def first_ordinal(stateful_set: Obj) -> int:
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def ordinals(stateful_set: Obj) -> range:
    first = first_ordinal(stateful_set)
    return range(first, first + replicas(stateful_set))


def ordinal_of(stateful_set: Obj, pod: Obj) -> int | None:
    """The number in the pod's name, None if the name is not one of the set's."""
    match = _NAME.fullmatch(pod["metadata"]["name"])
    return int(match[2]) if match is not None and match[1] == stateful_set["metadata"]["name"] else None


def revision_of(pod: Obj) -> str:
    return str((pod["metadata"].get("labels") or {}).get(POD_LABEL, ""))


def claim_name(stateful_set: Obj, template: Obj, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-{ordinal}"


def new_pod(stateful_set: Obj, template: Obj, revision: str, ordinal: int) -> Obj:
    """The pod of an ordinal, by a template of any revision."""
    pod = pod_from_template(stateful_set, STATEFULSETS, template)
    name = f"{stateful_set['metadata']['name']}-{ordinal}"
    metadata = pod["metadata"]
    del metadata["generateName"]
    metadata["name"] = name
    metadata["labels"] |= {POD_LABEL: revision, POD_NAME: name, POD_INDEX: str(ordinal)}
    spec = {**pod["spec"], "hostname": name, "volumes": _volumes(stateful_set, pod["spec"], ordinal)}
    if service := stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = service
    if not spec["volumes"]:
        del spec["volumes"]
    return {**pod, "spec": spec}


def _volumes(stateful_set: Obj, spec: Obj, ordinal: int) -> list[Obj]:
    """The claims' volumes take the place of the template's volumes of the same name."""
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    claimed = {t["metadata"]["name"]: claim_name(stateful_set, t, ordinal) for t in templates}
    kept = [v for v in spec.get("volumes") or () if v["name"] not in claimed]
    return kept + [{"name": n, "persistentVolumeClaim": {"claimName": c}} for n, c in claimed.items()]


def new_claims(stateful_set: Obj, ordinal: int) -> list[Obj]:
    """The PersistentVolumeClaims that the pod of an ordinal uses."""
    labels = stateful_set["spec"]["selector"].get("matchLabels") or {}
    made = []
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        wanted = template["metadata"]
        metadata: Obj = {
            "name": claim_name(stateful_set, template, ordinal),
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": {**(wanted.get("labels") or {}), **labels},
        }
        if wanted.get("annotations"):
            metadata["annotations"] = dict(wanted["annotations"])
        made.append(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        )
    return made


def relabelled(stateful_set: Obj, pod: Obj, ordinal: int) -> Obj | None:
    """Labels that an adopted pod lacks, None if it has them all."""
    labels = pod["metadata"].get("labels") or {}
    wanted = {POD_NAME: pod["metadata"]["name"], POD_INDEX: str(ordinal)}
    return None if wanted.items() <= labels.items() else wanted
