"""LimitRanger: a namespace's LimitRanges give containers their default resources and bound what pods and claims ask for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from apiserver.admission.plugin import Obj, Outcome, Plugin, Setup, forbidden
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds import quota
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import quantity

ANNOTATION = "kubernetes.io/limit-ranger"
_ASKED = (("requests", "request"), ("limits", "limit"))


class LimitRanger(Plugin):
    name = "LimitRanger"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._revision = -1
        self._by_namespace: dict[str, list[Obj]] = {}

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        if kind.resource == "pods":
            return (operation, subresource) in (("CREATE", ""), ("UPDATE", "resize"))
        return kind.resource == "persistentvolumeclaims" and operation in ("CREATE", "UPDATE") and not subresource

    def mutate(self, request: AdmissionRequest) -> Outcome:
        if request.kind.plural == "pods" and not request.subresource and request.obj is not None:
            for item in self._items(request.namespace):
                if item.get("type") == "Container":
                    apply_defaults(request.obj, item)
        return None

    def validate(self, request: AdmissionRequest) -> Outcome:
        items = self._items(request.namespace)
        if not items or request.obj is None:
            return None
        check = pod_violations if request.kind.plural == "pods" else claim_violations
        found = [text for item in items for text in check(request.obj, item)]
        if found:
            raise forbidden(request, found[0] if len(found) == 1 else "[" + ", ".join(found) + "]")
        return None

    def _items(self, namespace: str) -> list[Obj]:
        """Every limit of the namespace's LimitRanges, from an index kept until any LimitRange changes."""
        revision = self.cluster.revision("", "limitranges")
        if revision != self._revision:
            by_namespace: dict[str, list[Obj]] = {}
            for found in self.cluster.list("", "limitranges"):
                items = (found.get("spec") or {}).get("limits") or ()
                by_namespace.setdefault(found["metadata"]["namespace"], []).extend(items)
            self._by_namespace, self._revision = by_namespace, revision
        return self._by_namespace.get(namespace) or []


def apply_defaults(pod: Obj, item: Obj) -> None:
    """Fill what containers leave out from a Container limit; note on the pod what was filled, as upstream does."""
    notes = []
    spec = pod["spec"]
    for field, title in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(field) or ():
            notes += _fill(container, item, title)
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _fill(container: Obj, item: Obj, title: str) -> list[str]:
    notes = []
    for asked, source in (("requests", "defaultRequest"), ("limits", "default")):
        defaults = item.get(source) or {}
        resources = container.get("resources") or {}
        given = resources.get(asked) or {}
        missing = {name: amount for name, amount in defaults.items() if name not in given}
        if missing:
            container["resources"] = {**resources, asked: {**given, **missing}}
            singular = asked.removesuffix("s")
            notes.append(f"{', '.join(sorted(missing))} {singular} for {title} {container['name']}")
    return notes


def pod_violations(pod: Obj, item: Obj) -> list[str]:
    kind = item.get("type", "")
    if kind == "Container":
        spec = pod["spec"]
        every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        asked = [(c.get("resources") or {}) for c in every]
    elif kind == "Pod":
        asked = [{field: _rendered(quota.pod_total(pod["spec"], field)) for field in ("requests", "limits")}]
    else:
        return []
    return [text for resources in asked for text in _violations(resources, item)]


def claim_violations(claim: Obj, item: Obj) -> list[str]:
    if item.get("type") != "PersistentVolumeClaim":
        return []
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    found = [
        t for name, least in (item.get("min") or {}).items() for t in _below(item, name, least, {"requests": requests})
    ]
    for name, most in (item.get("max") or {}).items():
        words = f"maximum {name} usage per {item['type']} is {quantity.canonical(str(most))}"
        if name not in requests:
            found.append(f"{words}.  No request is specified")
        elif quantity.compare(str(requests[name]), str(most)) > 0:
            found.append(f"{words}, but request is {quantity.canonical(str(requests[name]))}")
    return found


def _rendered(totals: dict[str, Decimal]) -> dict[str, str]:
    return {
        name: quantity.render(amount, form="binary" if quota.is_binary(name) else "decimal")
        for name, amount in totals.items()
    }


def _violations(resources: Obj, item: Obj) -> Iterator[str]:
    for name, least in (item.get("min") or {}).items():
        yield from _below(item, name, least, resources)
    for name, most in (item.get("max") or {}).items():
        yield from _above(item, name, most, resources)
    for name, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        yield from _ratio(item, name, ratio, resources)


def _below(item: Obj, name: str, least: str, resources: Obj) -> Iterator[str]:
    words = f"minimum {name} usage per {item['type']} is {quantity.canonical(str(least))}"
    if name not in (resources.get("requests") or {}):
        yield f"{words}.  No request is specified"
        return
    for field, singular in _ASKED:
        given = (resources.get(field) or {}).get(name)
        if given is not None and quantity.compare(str(given), str(least)) < 0:
            yield f"{words}, but {singular} is {quantity.canonical(str(given))}"
            return


def _above(item: Obj, name: str, most: str, resources: Obj) -> Iterator[str]:
    words = f"maximum {name} usage per {item['type']} is {quantity.canonical(str(most))}"
    if name not in (resources.get("limits") or {}):
        yield f"{words}.  No limit is specified"
        return
    for field, singular in reversed(_ASKED):
        given = (resources.get(field) or {}).get(name)
        if given is not None and quantity.compare(str(given), str(most)) > 0:
            yield f"{words}, but {singular} is {quantity.canonical(str(given))}"
            return


def _ratio(item: Obj, name: str, ratio: str, resources: Obj) -> Iterator[str]:
    words = f"{name} max limit to request ratio per {item['type']} is {quantity.canonical(str(ratio))}"
    request = quantity.parse(str((resources.get("requests") or {}).get(name, "0")))
    limit = quantity.parse(str((resources.get("limits") or {}).get(name, "0")))
    if not request:
        yield f"{words}, but no request is specified or request is 0"
    elif not limit:
        yield f"{words}, but no limit is specified or limit is 0"
    elif limit / request > quantity.parse(str(ratio)):
        yield f"{words}, but provided ratio is {float(limit / request):.6f}"


ADMISSION = LimitRanger
