"""python -m tests.apiserver.longest [NAME...]: the longest turn of the loop in what is large, in CPU milliseconds, and where it was.

Each row is one sort of work on an API server in this process over a memory store; its client does nothing but wait. Rows are run
three times: what is shown is the last, when all is loaded that is loaded once.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from apiserver.storage.memory import MemoryStore
from tests.apiserver.server import Client, config_map, deployment, running
from tests.apiserver.turns import LongTurns, Turn

Obj = dict[str, Any]
Work = Callable[[Client, int], Awaitable[Any]]  # the number of the run

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OBJECTS = 50_000
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
STRATEGIC, APPLY, JSON_PATCH = (
    "application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/json-patch+json",
)  # fmt: skip


def filled(count: int = OBJECTS) -> MemoryStore:
    store = MemoryStore()
    for number in range(count):
        name = f"map-{number:05}"
        obj = config_map(name, labels={"tenth": str(number % 10), "number": str(number)}, text="x" * 600)
        obj["metadata"] |= {"namespace": "default", "uid": str(number), "creationTimestamp": "2026-01-01T00:00:00Z"}
        store._put(f"/registry/configmaps/default/{name}", orjson.dumps(obj), 0)
    return store


def get(path: str, **headers: str) -> Work:
    async def work(client: Client, run: int) -> None:
        answer = await client("GET", path, None, **headers)
        assert answer.status == 200, answer.body[:300]

    return work


def send(
    method: str,
    path: str,
    make: Callable[[int], Any],
    media: str = "application/json",
    *,
    status: tuple[int, ...] = (200, 201),
) -> Work:
    """`make` gives the body of a run."""

    async def work(client: Client, run: int) -> None:
        made = await asyncio.to_thread(make, run)
        body = made if isinstance(made, bytes) else await asyncio.to_thread(orjson.dumps, made)
        answer = await client(method, path.replace("RUN", str(run)), body, media=media)
        assert answer.status in status, answer.body[:500]

    return work


def watch(query: str, events: int) -> Work:
    async def work(client: Client, run: int) -> None:
        async with client.watch(f"{MAPS}?watch=1&{query}") as stream:
            seen = 0
            while seen < events:
                seen += (await stream._chunks.get()).count(b"\n")

    return work


async def collections_away(client: Client, run: int) -> None:
    answer = await client("DELETE", f"{MAPS}?labelSelector=tenth+in+({run})&dryRun=All")
    assert answer.status == 200, answer.body[:300]


def environment(count: int) -> list[Obj]:
    return [{"name": f"VARIABLE_{number}", "value": "v" * 20} for number in range(count)]


def large(name: str, count: int) -> Obj:
    made = deployment(name)
    made["spec"]["template"]["spec"]["containers"][0]["env"] = environment(count)
    return made


def yaml(obj: Obj) -> bytes:
    import yaml as writer

    return str(writer.dump(obj, Dumper=writer.CSafeDumper)).encode()


def additions(run: int, count: int = 9_000) -> list[Obj]:
    return [{"op": "add", "path": f"/data/k{number}", "value": str(run)} for number in range(count)]


def managers(run: int) -> Obj:
    made = config_map(f"owned-{run}")
    made["data"] = {f"k{n}": "v" for n in range(300)}
    fields: Obj = {"f:data": {f"f:k{n}": {} for n in range(300)}}
    entry = {
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    made["metadata"]["managedFields"] = [{"manager": f"m{n}", **entry} for n in range(200)]
    return made


def role(name: str, rules: int) -> Obj:
    made = [
        {"apiGroups": [f"g{n}.example.com"], "resources": [f"r{n}"], "verbs": ["get", "list"]} for n in range(rules)
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": made,
    }


def binding(name: str, role: str, user: str) -> Obj:
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    reference = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": role}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": reference, "subjects": [subject],
    }  # fmt: skip


async def judged_by_many_rules(client: Client, run: int) -> None:
    if not run:
        for number in range(2):
            await client("POST", ROLES, role(f"many-{number}", 5_000))
            await client("POST", BINDINGS, binding(f"many-{number}", f"many-{number}", "ann"))
    staff = client.acting_as("user-token")
    assert (await staff("GET", MAPS)).status == 403
    assert (await staff("GET", "/apis/g4999.example.com/v1/namespaces/default/r4999")).status == 404


async def many_bindings(client: Client, run: int) -> None:
    if not run:
        await client.ok("POST", ROLES, role("small", 1))
        for number in range(3_000):
            await client.ok("POST", BINDINGS, binding(f"small-{number}", "small", "ann"))
    assert (await client.acting_as("user-token")("GET", MAPS)).status == 403


async def rules_review(client: Client, run: int) -> None:
    await judged_by_many_rules(client, run)
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
    answer = await client.acting_as("user-token")("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)
    assert answer.status == 201


def definition(run: int, fields: int, *, cel: bool = False) -> Obj:
    properties: Obj = {
        f"field{n}": {"type": "string", "description": "d" * 100, "maxLength": 20, "pattern": f"^[a-z]*{n}?$"}
        for n in range(fields)
    }
    items: Obj = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "count": {"type": "integer"}},
    }
    if cel:
        items["x-kubernetes-validations"] = [{"rule": "self.count >= 0 && self.name.size() < 20"}]
    properties["parts"] = {"type": "array", "maxItems": 5_000, "items": items}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"larges{run}.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": f"larges{run}", "kind": f"Large{run}"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }  # fmt: skip


def large_definition(run: int) -> Obj:
    return definition(run, 5_000)


async def custom_objects(client: Client, run: int) -> None:
    if not run:
        await client.ok("POST", CRDS, definition(9, 3, cel=True))
    path = "/apis/example.com/v1/namespaces/default/larges9"
    parts = [{"name": f"p{n}", "count": n} for n in range(3_000)]
    body = {"apiVersion": "example.com/v1", "kind": "Large9", "metadata": {"name": f"o{run}"}, "spec": {"parts": parts}}
    async with asyncio.timeout(10):
        while (answer := await client("POST", path, body)).status == 404:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert answer.status == 201, answer.body[:500]


WORK: dict[str, Work] = {
    "list": get(MAPS),
    "list as tables": get(MAPS, accept=TABLE),
    "list of metadata": get(MAPS, accept=METADATA),
    "list as YAML": get(f"{MAPS}?labelSelector=tenth=1", accept="application/yaml"),
    "page of 500 as a table": get(f"{MAPS}?limit=500", accept=TABLE),
    "page of 900 as YAML": get(f"{MAPS}?limit=900", accept="application/yaml"),
    "select: in": get(f"{MAPS}?labelSelector=number+in+(7,8)"),
    "select: notin": get(f"{MAPS}?labelSelector=tenth+notin+(1,2,3,4,5,6,7,8)"),
    "select: !=": get(f"{MAPS}?labelSelector=tenth!=3"),
    "select: exists": get(f"{MAPS}?labelSelector=tenth"),
    "select: absent": get(f"{MAPS}?labelSelector=!tenth"),
    "select: >": get(f"{MAPS}?labelSelector=number>49000"),
    "select: =": get(f"{MAPS}?labelSelector=tenth=3"),
    "select: a name not": get(f"{MAPS}?fieldSelector=metadata.name!=map-00007"),
    "select: a page": get(f"{MAPS}?labelSelector=tenth+notin+(1,2)&limit=100"),
    "watch: all": watch("resourceVersion=0", OBJECTS),
    "watch: notin": watch("resourceVersion=0&labelSelector=tenth+notin+(1,2,3,4,5,6,7,8)", 10_000),
    "watch: in, few": watch("resourceVersion=0&labelSelector=number+in+(7,8)", 2),
    "deletecollection of 5,000": collections_away,
    "JSON patch of 9,000 operations": send("PATCH", f"{MAPS}/map-0000RUN", additions, JSON_PATCH),
    "JSON patch of 2,500 operations": send("PATCH", f"{MAPS}/map-0001RUN", lambda run: additions(run, 2_500), JSON_PATCH),
    "create of 1 MB": send("POST", DEPLOYMENTS, lambda run: large(f"created-{run}", 12_000)),
    "create of 128 kB": send("POST", DEPLOYMENTS, lambda run: large(f"middle-{run}", 2_400)),
    "create of 120 kB in YAML": send("POST", DEPLOYMENTS, lambda run: yaml(large(f"text-{run}", 1_900)), "application/yaml"),
    "apply of 10,000 items": send(
        "PATCH", f"{DEPLOYMENTS}/applied?fieldManager=a&force=true", lambda run: yaml(large("applied", 10_000 + run)), APPLY
    ),
    "apply of 1,900 items": send(
        "PATCH", f"{DEPLOYMENTS}/appliedless?fieldManager=a&force=true", lambda run: yaml(large("appliedless", 1_900 + run)), APPLY
    ),
    "small patch of 1 MB": send("PATCH", f"{DEPLOYMENTS}/applied", lambda run: {"metadata": {"labels": {"a": str(run)}}}, STRATEGIC),
    "small patch of 110 kB": send(
        "PATCH", f"{DEPLOYMENTS}/appliedless", lambda run: {"metadata": {"labels": {"a": str(run)}}}, STRATEGIC
    ),
    "200 managers of 300 fields": send("POST", MAPS, managers),
    "apply beside 200 managers": send(
        "PATCH", f"{MAPS}/owned-0?fieldManager=z&force=true", lambda run: yaml(config_map("owned-0", k1=str(run))), APPLY
    ),
    "10,000 rules": judged_by_many_rules,
    "10,000 rules reviewed": rules_review,
    "3,000 bindings": many_bindings,
    "a role of 10,000 rules": send("POST", ROLES, lambda run: role(f"made-{run}", 10_000)),
    "definition of 1 MB": send("POST", CRDS, large_definition),
    "openapi v2": get("/openapi/v2"),
    "openapi v3 of the definitions": get("/openapi/v3/apis/example.com/v1"),
    "3,000 items under CEL": custom_objects,
}  # fmt: skip


async def measure(names: list[str]) -> None:
    store = filled()
    with tempfile.TemporaryDirectory() as folder, LongTurns(limit=0.0) as turns:
        async with running(Path(folder), store) as client:
            show("load", turns.found, 0.0)
            for name in [name for name in WORK if not names or any(part in name for part in names)]:
                for run in range(3):
                    await asyncio.sleep(0.05)
                    turns.found.clear()
                    begun = time.monotonic()
                    await WORK[name](client, run)
                    await asyncio.sleep(0.05)
                show(name, turns.found, time.monotonic() - begun)


def show(name: str, turns: list[Turn], seconds: float) -> None:
    longest = max(turns, default=Turn(0.0, 0.0, ""))
    print(f"{longest.cpu * 1e3:7.1f} ms  {name} ({seconds:.2f} s)", flush=True)
    if longest.cpu > 0.03:
        lines = [line for line in longest.stack.splitlines() if line.startswith("  File") and "asyncio" not in line]
        print(
            "\n".join("            " + line.strip().replace(str(Path.cwd()) + "/", "") for line in lines[-6:]),
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1:]))
