"""What a failed pod means under a Job's podFailurePolicy: the first rule that matches decides. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`action` is Count, Ignore, FailIndex or FailJob; `message` explains FailJob."""

    action: str = "Count"
    message: str = ""


def judge(job: Obj, pod: Obj) -> Verdict:
    if (pod.get("status") or {}).get("phase") != "Failed":
        return Verdict()  # a pod that is only being deleted has no exit codes to judge
    for index, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _by_exit_codes(rule, pod) or _by_conditions(rule, pod)
        if why:
            named = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
            text = why.format(pod=named, Pod="P" + named[1:])
            return Verdict(rule["action"], f"{text} matching {rule['action']} rule at index {index}")
    return Verdict()


def _by_exit_codes(rule: Obj, pod: Obj) -> str:
    wanted = rule.get("onExitCodes")
    if not wanted:
        return ""
    status = pod["status"]
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        ended = (container.get("state") or {}).get("terminated")
        if not ended or not ended.get("exitCode"):
            continue
        if wanted.get("containerName") and wanted["containerName"] != container["name"]:
            continue
        if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {container['name']} for {{pod}} failed with exit code {ended['exitCode']}"
    return ""


def _by_conditions(rule: Obj, pod: Obj) -> str:
    for pattern in rule.get("onPodConditions") or ():
        for condition in pod["status"].get("conditions") or ():
            if condition["type"] == pattern["type"] and condition["status"] == (pattern.get("status") or "True"):
                return f"{{Pod}} has condition {condition['type']}"
    return ""
