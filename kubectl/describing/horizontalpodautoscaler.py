"""An autoscaler: what it watches, its bounds and what it did."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    ref = spec["scaleTargetRef"]
    page.meta(obj)
    page.created(obj)
    page.line("Reference:", f"{ref['kind']}/{ref['name']}")
    page.line("Metrics:", "( current / target )")
    current = status.get("currentMetrics") or []
    for index, metric in enumerate(spec.get("metrics") or ()):
        title, said = _metric(metric, current[index] if index < len(current) else {})
        page.line(f"{title}:", said, level=1)
    page.line("Min replicas:", spec.get("minReplicas", "<unset>"))
    page.line("Max replicas:", spec["maxReplicas"])
    _behaviour(page, spec.get("behavior") or {})
    page.line(
        f"{ref['kind']} pods:",
        f"{status.get('currentReplicas', 0)} current / {status.get('desiredReplicas', 0)} desired",
    )
    if status.get("conditions"):
        page.line("Conditions:")
        rows = [(c["type"], c["status"], c.get("reason", ""), c.get("message", "")) for c in status["conditions"]]
        page.table(("Type", "Status", "Reason", "Message"), rows)


def _metric(metric: Obj, current: Obj) -> tuple[str, str]:
    """(title, `current / target`)."""
    kind = metric["type"]
    member = kind[:1].lower() + kind[1:]
    about = metric[member]
    have = (current.get(member) or {}).get("current") or {}
    target = about["target"]
    if kind in ("Resource", "ContainerResource"):
        inside = f' of container "{about["container"]}"' if kind == "ContainerResource" else ""
        base = f"resource {about['name']}{inside} on pods"
        if target.get("averageUtilization") is not None:
            used = have.get("averageUtilization")
            now = "<unknown>" if used is None else f"{used}% ({have.get('averageValue', '')})"
            return f"{base}  (as a percentage of request)", f"{now} / {target['averageUtilization']}%"
        return base, f"{have.get('averageValue', '<unknown>')} / {target.get('averageValue')}"
    name = f'"{about["metric"]["name"]}"'
    if kind == "Pods":
        return f"{name} on pods", f"{have.get('averageValue', '<unknown>')} / {target.get('averageValue')}"
    where = f" on {about['describedObject']['kind']}/{about['describedObject']['name']}" if kind == "Object" else ""
    if target.get("averageValue") is not None:
        return (
            f"{name}{where} (target average value)",
            f"{have.get('averageValue', '<unknown>')} / {target['averageValue']}",
        )
    return f"{name}{where} (target value)", f"{have.get('value', '<unknown>')} / {target.get('value')}"


def _behaviour(page: Page, behaviour: Obj) -> None:
    if behaviour:
        page.line("Behavior:")
    for title, member in (("Scale Up:", "scaleUp"), ("Scale Down:", "scaleDown")):
        rules = behaviour.get(member)
        if not rules:
            continue
        page.line(title, level=1)
        if rules.get("stabilizationWindowSeconds") is not None:
            page.line(f"Stabilization Window: {rules['stabilizationWindowSeconds']} seconds", level=2)
        if rules.get("policies"):
            page.line(f"Select Policy: {rules.get('selectPolicy', 'Max')}", level=2)
            page.line("Policies:", level=2)
            for p in rules["policies"]:
                page.line(
                    f"- Type: {p['type']}", f"Value: {p['value']}", f"Period: {p['periodSeconds']} seconds", level=3
                )


DESCRIBE = describe
