"""What holds for the hooks of every kind, whatever object the decoder hands them: none fails, none changes what is shared."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketkube.api import scheme
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta.errors import BadRequest
from tests.pocketkube.api.kinds.samples import sample

Obj = dict[str, Any]

NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)
KINDS = scheme.builtin()
EACH = pytest.mark.parametrize("kind", KINDS.kinds(), ids=lambda kind: f"{kind.resource}-{kind.version}")
SEEDS = st.integers(0, 2**32)


def frozen(obj: Obj) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)


def decoded(kind: Kind, seed: int) -> Obj:
    obj = sample(kind, random.Random(seed))
    try:
        kind.schema.decode(obj, mode="Ignore")
    except BadRequest:  # a CRD's schema of schemas has shapes that no sample hits
        obj = {name: obj[name] for name in ("apiVersion", "kind", "metadata")}
    if kind.default is not None:
        kind.default(obj)
    return obj


@EACH
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_defaulting_again_changes_nothing(kind: Kind, seed: int) -> None:
    obj = decoded(kind, seed)
    before = frozen(obj)
    if kind.default is not None:
        kind.default(obj)
    assert frozen(obj) == before


@EACH
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_a_new_object_is_judged_and_printed(kind: Kind, seed: int) -> None:
    obj = decoded(kind, seed)
    if kind.prepare_create is not None:
        kind.prepare_create(obj)
    for error in kind.validate(obj) if kind.validate is not None else ():
        assert error.to_cause()["field"] == error.field
    if kind.warnings is not None:
        assert all(isinstance(text, str) for text in kind.warnings(obj))
    if kind.row is not None:
        assert len(kind.row(obj, NOW)) == len(kind.columns)
    assert all(isinstance(get(obj), str) for get in kind.selectable.values())


@EACH
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_updates_never_touch_the_old_object(kind: Kind, seed: int) -> None:
    old, new = decoded(kind, seed), decoded(kind, seed + 1)
    before = frozen(old)
    for prepare, validate in (
        (kind.prepare_update, kind.validate_update),
        (kind.prepare_status, kind.validate_status),
    ):
        if prepare is not None:
            prepare(new, old)
        if validate is not None:
            for error in validate(new, old):
                str(error)
    assert frozen(old) == before


@EACH
def test_an_unchanged_object_passes_as_an_update(kind: Kind) -> None:
    """Whatever was valid when it was created can be written back."""
    for seed in range(30):
        obj = decoded(kind, seed)
        if kind.prepare_create is not None:
            kind.prepare_create(obj)
        if kind.validate is None or kind.validate(obj) or kind.validate_update is None:
            continue
        same = orjson.loads(orjson.dumps(obj))
        if kind.prepare_update is not None:
            kind.prepare_update(same, obj)
        assert [str(error) for error in kind.validate_update(same, obj)] == []


@EACH
def test_what_has_a_status_begins_with_one_of_the_servers(kind: Kind) -> None:
    if not kind.has_status or kind.kind == "Node":
        return
    assert kind.prepare_create is not None
    obj = decoded(kind, 7)
    obj["status"] = {"conditions": [{"type": "Forged", "status": "True"}]}
    kind.prepare_create(obj)
    assert "Forged" not in str(obj.get("status"))
