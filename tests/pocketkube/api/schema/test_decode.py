"""Decoding built-in kinds: pruning, canonical forms, upstream's complaints, strictness, limits."""

# ruff: noqa: E501  a row of a table is one line

from __future__ import annotations

import copy
import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pocketkube.api.meta.errors import BadRequest
from pocketkube.api.schema import Schema, decode, definitions, readers

Obj = dict[str, Any]
POD = Schema.of("io.k8s.api.core.v1.Pod")


def pod(**spec: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def container(**fields: Any) -> Obj:
    return pod(containers=[{"name": "c", **fields}])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(container(resources={"limits": {"memory": "1024Mi", "cpu": 0.5}}), container(resources={"limits": {"memory": "1Gi", "cpu": "500m"}}), id="quantities"),
        pytest.param(container(resources={"limits": {"cpu": 2}}), container(resources={"limits": {"cpu": "2"}}), id="quantity-as-number"),
        pytest.param(container(image=None, args=None), container(), id="nulls-go"),
        pytest.param(container(args=[None, "x"]), container(args=["", "x"]), id="null-items-are-empty"),
        pytest.param(pod(nodeSelector={"a": None}), pod(nodeSelector={"a": ""}), id="null-values-are-empty"),
        pytest.param(container(livenessProbe={"httpGet": {"port": "http"}}), container(livenessProbe={"httpGet": {"port": "http"}}), id="port-name"),
        pytest.param(container(livenessProbe={"httpGet": {"port": 80}}), container(livenessProbe={"httpGet": {"port": 80}}), id="port-number"),
        pytest.param(
            {**pod(), "status": {"startTime": "2026-01-01T00:00:00.5+01:00"}}, {**pod(), "status": {"startTime": "2025-12-31T23:00:00Z"}},
            id="times-in-utc",
        ),
    ],
)  # fmt: skip
def test_canonical_form(given: Obj, kept: Obj) -> None:
    assert POD.decode(given) == []
    assert given == filled(kept)


def filled(given: Obj) -> Obj:
    """With what Go's types always hold."""
    for one in given["spec"].get("containers") or ():
        one.setdefault("resources", {})
    return {"status": {}, **given}


@pytest.mark.parametrize(
    ("definition", "given", "kept"),
    [
        pytest.param("core.v1.PodSpec", {"hostNetwork": False, "hostname": "", "nodeSelector": {}, "tolerations": []}, {}, id="left-out"),
        pytest.param("core.v1.PodSpec", {"automountServiceAccountToken": False, "priority": 0, "securityContext": {}, "containers": []},
                     {"automountServiceAccountToken": False, "priority": 0, "securityContext": {}, "containers": []}, id="pointers-stay"),
        pytest.param("core.v1.Container", {"name": "", "tty": False, "env": [{"value": ""}], "resources": None},
                     {"name": "", "env": [{"name": ""}], "resources": {}}, id="always-there"),
        pytest.param("core.v1.PodCondition", {"type": "Ready", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                     {"type": "Ready", "status": "", "lastProbeTime": None, "lastTransitionTime": "2026-01-01T00:00:00Z"}, id="times-are-null"),
        pytest.param("core.v1.ConfigMap", {"data": {"a": ""}, "binaryData": {}, "immutable": False},
                     {"data": {"a": ""}, "immutable": False, "metadata": {}}, id="values-of-maps-stay"),
        pytest.param("apps.v1.DeploymentSpec", {"replicas": 0, "paused": False, "minReadySeconds": 0},
                     {"replicas": 0, "strategy": {}, "template": {"metadata": {}, "spec": {}}}, id="structs-by-value"),
        pytest.param("policy.v1.PodDisruptionBudgetStatus", {}, {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}, id="counts"),
        pytest.param("core.v1.ResourceFieldSelector", {"resource": "limits.cpu"}, {"resource": "limits.cpu", "divisor": "0"}, id="quantity-by-value"),
    ],
)  # fmt: skip
def test_zero_values_are_kept_as_go_keeps_them(definition: str, given: Obj, kept: Obj) -> None:
    schema = Schema.of(f"io.k8s.api.{definition}")
    partial = copy.deepcopy(given)
    assert schema.decode(partial, mode="Partial") == [] and partial == given, "what a client says is not changed"
    assert schema.decode(given) == [] and given == kept
    assert schema.decode(given) == [] and given == kept, "done twice"


def test_every_published_kind_says_what_stays() -> None:
    kinds = [name for name in definitions.load() if "x-kubernetes-group-version-kind" in definitions.raw(name)]
    holders = [name for name in kinds if "metadata" in Schema.of(name).fields and not name.endswith("List")]
    assert len(holders) > 100
    assert [name for name in holders if "metadata" not in Schema.of(name).zero()] == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (container(image=1), "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string"),
        (container(env=[{"name": "a", "value": True}]), "json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.value of type string"),
        (pod(containers="x"), "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (pod(containers=["x"]), "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container"),
        (pod(containers={}), "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (pod(priority="1"), "json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32"),
        (pod(priority=1.5), "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
        (pod(priority=2**31), "json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
        (pod(hostNetwork="yes"), "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (pod(nodeSelector={"a": 1}), "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string"),
        (pod(nodeSelector=[]), "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string"),
        (container(livenessProbe={"httpGet": {"port": True}}), "json: cannot unmarshal bool into Go value of type int32"),
        (container(resources={"limits": {"cpu": "a"}}), "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ({**pod(), "metadata": {"creationTimestamp": "x"}}, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
    ],
)  # fmt: skip
def test_wrong_types(body: Obj, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        POD.decode(body)
    assert caught.value.message == f'Pod in version "v1" cannot be handled as a Pod: {complaint}'


def test_secrets_hold_base64() -> None:
    secret = Schema.of("io.k8s.api.core.v1.Secret")
    obj = {"kind": "Secret", "apiVersion": "v1", "data": {"a": "aGVs\nbG8="}}
    assert secret.decode(obj) == [] and obj["data"] == {"a": "aGVsbG8="}
    with pytest.raises(BadRequest, match="illegal base64 data at input byte 1"):
        secret.decode({"kind": "Secret", "apiVersion": "v1", "data": {"a": "a!"}})


def test_micro_times() -> None:
    lease = Schema.of("io.k8s.api.coordination.v1.Lease")
    obj = {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "spec": {"renewTime": "2026-01-01T00:00:00.000001Z"},
    }
    assert lease.decode(obj) == []
    with pytest.raises(BadRequest, match=r'cannot parse "Z" as ".000000"'):
        lease.decode({**obj, "spec": {"renewTime": "2026-01-01T00:00:00Z"}})


def test_unknown_fields_go_and_are_named() -> None:
    body = {**container(imag="x", env=[{"nam": 1}]), "x": {}, "metadata": {"name": "p", "lables": {}}}
    silent = copy.deepcopy(body)
    assert POD.decode(body, mode="Strict") == [
        'unknown field "metadata.lables"',
        'unknown field "spec.containers[0].imag"',
        'unknown field "spec.containers[0].env[0].nam"',
        'unknown field "x"',
    ]
    assert POD.decode(silent, mode="Ignore") == [] and silent == body == filled(container(env=[{"name": ""}]))


def test_strict_error_in_upstreams_words() -> None:
    error = decode.strict_error(pod(), ['unknown field "spec.a"', 'duplicate field "spec.b"'])
    assert error.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.a", duplicate field "spec.b"'
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b'{"a":1}', [], id="none"),
        pytest.param(b'{"a":1,"a":2}', ['duplicate field "a"'], id="top"),
        pytest.param(b'{"a":{"b":[{"c":1,"c":1}]}}', ['duplicate field "a.b[0].c"'], id="nested"),
        pytest.param(
            b'{"a":1,"a":1,"a":1,"b":2,"b":2}', ['duplicate field "a"', 'duplicate field "b"'], id="each-once"
        ),
        pytest.param(b'{ "a" : 1 ,\n "a" : 2 }', ['duplicate field "a"'], id="blanks"),
        pytest.param(b'{"a"\n:1,"a"\t:2}', ['duplicate field "a"'], id="odd-blanks"),
        pytest.param(b'{"a": "{\\"a\\":1,\\"a\\":2}"}', [], id="json-in-a-string"),
        pytest.param(b'{"a\\\\":1,"a\\\\":2}', ['duplicate field "a\\"'], id="backslash-key"),
        pytest.param(b'{"a":"\\u0022:","a":1}', ['duplicate field "a"'], id="escapes"),
    ],
)
def test_duplicate_fields(body: bytes, found: list[str]) -> None:
    assert decode.parse_json(body, mode="Strict") == (orjson.loads(body), found)
    assert decode.parse_json(body, mode="Ignore") == (orjson.loads(body), [])


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", 'b"', "c\\", "d:"]), st.sampled_from(["1", '"x"', '"\\":"', "{}"])), max_size=4
    )
)
def test_duplicates_are_found_whatever_the_keys(pairs: list[tuple[str, str]]) -> None:
    body = b"{" + b",".join(orjson.dumps(k) + b":" + v.encode() for k, v in pairs) + b"}"
    keys = [k for k, _ in pairs]
    repeated = list(dict.fromkeys(k for i, k in enumerate(keys) if k in keys[:i]))
    assert decode.parse_json(body, mode="Warn")[1] == [f'duplicate field "{k}"' for k in repeated]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"[" * 201 + b"]" * 201])
def test_nesting_is_limited(body: bytes) -> None:
    with pytest.raises(BadRequest, match="exceeded max depth"):
        decode.parse_json(body)


def test_brackets_in_strings_are_no_nesting() -> None:
    body = orjson.dumps({"a": "[{" * 2000})
    assert decode.parse_json(body)[0] == orjson.loads(body)


def test_text_that_is_not_utf8_is_mended_as_upstream_does() -> None:
    assert decode.parse_json(b'{"a": "x\xffy"}')[0] == {"a": "x\ufffdy"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a":', "unexpected end of JSON input"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b"\xff", "invalid character '\ufffd' looking for beginning of value"),
        (b'{"a":1}}', "invalid character '}' after top-level value"),
    ],
)
def test_malformed_json(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        decode.parse_json(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**33), 2**33) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda v: (
        st.lists(v, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "image", "ports", "env", "limits"]), v, max_size=3)
    ),
    max_leaves=10,
)


@given(st.sampled_from(sorted(n for n in definitions.by_gvk().values())), st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_json_decodes_or_is_a_bad_request(name: str, data: st.DataObject) -> None:
    schema = Schema.of(name)
    fields = sorted(schema.fields["spec"].fields) if "spec" in schema.fields else sorted(schema.fields)
    inner = data.draw(st.dictionaries(st.sampled_from(fields or ["x"]), anything, max_size=3))
    obj: Obj = {"kind": "X", "apiVersion": "v1", "spec": inner, "metadata": data.draw(anything), **inner}
    try:
        schema.decode(obj)
    except BadRequest:
        return
    assert schema.decode(obj) == []  # what was kept is in the kept form
    again = copy.deepcopy(obj)
    schema.decode(again)
    assert again == obj


def test_schemas_in_crds_are_read_all_the_way_down() -> None:
    crd = Schema.of("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition")
    props: Obj = {
        "type": "object",
        "default": {"kept": 1},
        "additionalProperties": {"type": "array", "items": {"type": "string", "typo": 1}},
        "dependencies": {"a": ["b"]},
        "properties": {"x": {"additionalProperties": True, "enum": [None, 1]}},
    }
    body: Obj = {"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1"}
    body |= {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": props}}]}}
    path = "spec.versions[0].schema.openAPIV3Schema.additionalProperties.items.typo"
    assert crd.decode(body) == [f'unknown field "{path}"']
    assert props["default"] == {"kept": 1} and props["properties"] == {
        "x": {"additionalProperties": True, "enum": [None, 1]}
    }
    props["additionalProperties"] = "x"
    with pytest.raises(BadRequest, match=r"of type v1\.JSONSchemaPropsOrBool"):
        crd.decode(body)


def test_every_definition_compiles() -> None:
    for name in definitions.load():
        schema = Schema.of(name)
        assert schema.type and isinstance(schema.fields, dict)
        assert schema.read is not None


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("spec.containers", "list_type", "map"),
        ("spec.containers", "list_keys", ("name",)),
        ("spec.containers", "merge_key", "name"),
        ("spec.containers", "merge_strategy", "merge"),
        ("spec.volumes", "retain_keys", True),
        ("spec.tolerations", "list_type", "atomic"),
        ("metadata.finalizers", "list_type", "set"),
        ("metadata.labels", "type", "object"),
        ("spec.nodeSelector", "map_type", "atomic"),
    ],
)
def test_merge_rules(path: str, attribute: str, value: Any) -> None:
    schema: Schema | None = POD
    for name in path.split("."):
        assert schema is not None
        schema = schema.field(name)
    assert getattr(schema, attribute) == value


def test_a_schema_asks_for_nothing_until_used() -> None:
    with pytest.raises(KeyError, match="no definition"):
        Schema("io.k8s.nowhere").type  # noqa: B018
    assert Schema.of("io.k8s.api.core.v1.Pod") is POD
    with pytest.raises(AttributeError):
        POD.nonsense  # noqa: B018


def test_many_different_duplicates_cost_little() -> None:
    body = b"{" + b",".join(b'"a%d":1,"a%d":2' % (at, at) for at in range(50_000)) + b',"b":%b.0e-4400}' % (b"1" * 4400)
    begun = time.thread_time()
    assert len(decode.parse_json(body, mode="Strict")[1]) == readers.MAX_STRICT_ERRORS
    assert time.thread_time() - begun < 2
