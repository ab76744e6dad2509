"""Who may see a component's paths: the API server says so, and is asked once for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from pocketkube.base.clock import FakeClock
from pocketkube.client.config import ClientConfig
from pocketkube.client.rest import Client
from pocketkube.client.reviews import REMEMBER_SECONDS, PathReviews

Obj = dict[str, Any]


class Reviewer:
    """Knows `alice` and `bob` by tokens of the same name; alice may see all."""

    def __init__(self) -> None:
        self.asked: list[Obj] = []
        self.down = False

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("nobody there")
        review = orjson.loads(await request.aread())
        self.asked.append(review)
        spec = review["spec"]
        if review["kind"] == "TokenReview":
            known = spec["token"] in ("alice", "bob")
            status: Obj = {"authenticated": known, **({"user": {"username": spec["token"]}} if known else {})}
        else:
            status = {"allowed": spec["user"] == "alice"}
        return httpx.Response(201, json={**review, "status": status})


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def reviews(reviewer: Reviewer, clock: FakeClock) -> AsyncIterator[PathReviews]:
    client = Client(ClientConfig(server="http://api"), transport=httpx.MockTransport(reviewer.answer))
    yield PathReviews(client, clock=clock)
    await client.aclose()


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        pytest.param("", 401, id="nobody"),
        pytest.param("Basic YTpi", 401, id="another-scheme"),
        pytest.param("Bearer ", 401, id="no-token"),
        pytest.param("Bearer mallory", 401, id="unknown"),
        pytest.param("Bearer bob", 403, id="known"),
        pytest.param("bearer alice", 200, id="allowed"),
    ],
)
async def test_verdicts(reviews: PathReviews, authorization: str, code: int) -> None:
    assert await reviews.verdict(authorization, "get", "/metrics") == code


async def test_the_path_and_the_verb_are_asked_for(reviews: PathReviews, reviewer: Reviewer) -> None:
    await reviews.verdict("Bearer alice", "get", "/metrics")
    assert reviewer.asked[-1]["spec"]["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}


async def test_a_verdict_is_remembered_for_a_while(reviews: PathReviews, reviewer: Reviewer, clock: FakeClock) -> None:
    for _ in range(3):
        await reviews.verdict("Bearer alice", "get", "/metrics")
    assert len(reviewer.asked) == 2
    await reviews.verdict("Bearer alice", "get", "/other")
    assert len(reviewer.asked) == 4
    clock.advance(REMEMBER_SECONDS)
    await reviews.verdict("Bearer alice", "get", "/metrics")
    assert len(reviewer.asked) == 6


async def test_what_nobody_says_is_not_remembered(reviews: PathReviews, reviewer: Reviewer) -> None:
    reviewer.down = True
    assert await reviews.verdict("Bearer alice", "get", "/metrics") == 503
    reviewer.down = False
    assert await reviews.verdict("Bearer alice", "get", "/metrics") == 200
