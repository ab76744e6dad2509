"""What a kubelet makes of what others say about its pods."""

from __future__ import annotations

import pytest

from kubelet.statuses import contradicts


def status(**conditions: str) -> dict[str, object]:
    return {"conditions": [{"type": kind, "status": value} for kind, value in conditions.items()]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(status(Ready="True", Initialized="True"), False, id="the same"),
        pytest.param(status(Ready="False", Initialized="True"), True, id="marked as not ready, its node seemed lost"),
        pytest.param(status(Ready="True"), True, id="one is missing"),
        pytest.param(status(Ready="True", Initialized="True", Mine="False"), False, id="another's own condition"),
        pytest.param({}, True, id="nothing there"),
    ],
)
def test_what_others_say_is_put_right_where_only_a_kubelet_knows(found: dict[str, object], expected: bool) -> None:
    assert contradicts(found, status(Ready="True", Initialized="True")) is expected
