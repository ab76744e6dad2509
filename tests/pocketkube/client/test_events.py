"""Events: counted, combined and limited as upstream does; never in the caller's way."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api.meta import errors
from pocketkube.client.events import QUEUE, SIMILAR, SPAM_BURST, EventRecorder
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import EVENTS
from pocketkube.client.rest import Client

Obj = dict[str, Any]


@pytest.fixture
def recorder(client: Client) -> EventRecorder:
    return EventRecorder(client, "kubelet", "node-1")


def pod(name: str = "p") -> Obj:
    meta = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


async def test_an_event_says_who_what_and_when(server: MemoryServer, recorder: EventRecorder) -> None:
    recorder.event(pod(), "Normal", "Started", "Started container c", field_path="spec.containers{c}")
    await recorder.flush()
    (event,) = server.all(EVENTS)
    assert event["metadata"]["namespace"] == "ns"
    assert event["metadata"]["name"].startswith("p.")
    assert event["involvedObject"] == {
        "kind": "Pod", "namespace": "ns", "name": "p", "uid": "uid-p", "apiVersion": "v1", "resourceVersion": "7",
        "fieldPath": "spec.containers{c}",
    }  # fmt: skip
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Started", "Started container c")
    assert event["source"] == {"component": "kubelet", "host": "node-1"}
    assert event["count"] == 1
    assert event["firstTimestamp"] == event["lastTimestamp"]


async def test_events_about_cluster_objects_go_to_default(server: MemoryServer, recorder: EventRecorder) -> None:
    recorder.event({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}, "Normal", "Ready", "yes")
    await recorder.flush()
    assert server.all(EVENTS)[0]["metadata"]["namespace"] == "default"


async def test_the_same_again_is_counted(server: MemoryServer, recorder: EventRecorder) -> None:
    for version in "123":
        again = pod()
        again["metadata"]["resourceVersion"] = version
        recorder.event(again, "Warning", "BackOff", "restarting")
    await recorder.flush()
    (event,) = server.all(EVENTS)
    assert event["count"] == 3


async def test_a_counted_event_that_expired_is_made_anew(server: MemoryServer, recorder: EventRecorder) -> None:
    recorder.event(pod(), "Warning", "BackOff", "restarting")
    await recorder.flush()
    server.remove(EVENTS, server.all(EVENTS)[0]["metadata"]["name"], "ns")
    recorder.event(pod(), "Warning", "BackOff", "restarting")
    await recorder.flush()
    assert [e["count"] for e in server.all(EVENTS)] == [2]


async def test_many_messages_become_one(server: MemoryServer, recorder: EventRecorder) -> None:
    for i in range(SIMILAR + 5):
        recorder.event(pod(), "Warning", "Failed", f"attempt {i}")
    await recorder.flush()
    found = server.all(EVENTS)
    assert len(found) == SIMILAR + 1
    combined = [e for e in found if e["message"].startswith("(combined from similar events): attempt")]
    assert [e["count"] for e in combined] == [5]


async def test_one_object_is_not_spammed_about(server: MemoryServer, recorder: EventRecorder) -> None:
    for i in range(SPAM_BURST * 2):
        recorder.event(pod("loud"), "Normal", f"Reason{i}", "m")
    recorder.event(pod("quiet"), "Normal", "Reason", "m")
    await recorder.flush()
    about = [e["involvedObject"]["name"] for e in server.all(EVENTS)]
    assert (about.count("loud"), about.count("quiet")) == (SPAM_BURST, 1)


async def test_a_refused_event_is_given_up(server: MemoryServer, recorder: EventRecorder) -> None:
    server.fail("POST .*events", errors.Forbidden("being terminated"))
    recorder.event(pod("a"), "Normal", "Reason", "m")
    await recorder.flush()
    recorder.event(pod("b"), "Normal", "Reason", "m")
    await recorder.flush()
    assert [e["involvedObject"]["name"] for e in server.all(EVENTS)] == ["b"]


async def test_an_overflow_drops_and_says_so(
    server: MemoryServer, recorder: EventRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(QUEUE + 10):
        recorder.event(pod(f"p{i}"), "Normal", "Reason", "m")
    assert caplog.text.count("too many events at once") == 1
    await recorder.flush()
    assert len(server.all(EVENTS)) == QUEUE
