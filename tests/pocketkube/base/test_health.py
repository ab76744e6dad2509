"""A component's own small server: what is open, what is closed, and what a stranger learns."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.base import certificates, tls
from pocketkube.base.health import Answer, Health, ok, shown_metrics


async def verdict(authorization: str, verb: str, path: str) -> int:
    return {"Bearer good": 200, "Bearer other": 403, "Bearer down": 503}.get(authorization, 401)


GUARDED = Health(
    open={"/healthz": ok, "/readyz": lambda: Answer(500, b"not yet")}, closed={"/metrics": shown_metrics}, verdict=verdict
)  # fmt: skip
OPEN = Health(open={"/metrics": shown_metrics})


async def ask(app: Health, path: str, authorization: str = "") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", authorization.encode())] if authorization else []
    await app({"type": "http", "method": "GET", "path": path, "headers": headers}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize(
    ("app", "path", "authorization", "code"),
    [
        pytest.param(GUARDED, "/healthz", "", 200, id="anyone-asks-for-health"),
        pytest.param(GUARDED, "/readyz", "", 500, id="not-ready"),
        pytest.param(GUARDED, "/metrics", "", 401, id="a-stranger"),
        pytest.param(GUARDED, "/metrics", "Bearer other", 403, id="one-who-may-not"),
        pytest.param(GUARDED, "/metrics", "Bearer down", 503, id="nobody-knows"),
        pytest.param(GUARDED, "/metrics", "Bearer good", 200, id="one-who-may"),
        pytest.param(GUARDED, "/else", "Bearer other", 403, id="a-stranger-does-not-learn-what-is-there"),
        pytest.param(GUARDED, "/else", "Bearer good", 404, id="nothing-there"),
        pytest.param(OPEN, "/metrics", "", 200, id="open-metrics"),
        pytest.param(OPEN, "/else", "", 404, id="nothing-there-for-anyone"),
    ],
)
async def test_answers(app: Health, path: str, authorization: str, code: int) -> None:
    status, headers, body = await ask(app, path, authorization)
    assert status == code
    assert int(headers[b"content-length"]) == len(body)


def test_a_certificate_names_its_server() -> None:
    from cryptography import x509

    certificate, key = certificates.self_signed("node-1", addresses=["10.0.0.1"])
    names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(name.value) for name in names.value] == ["node-1", "10.0.0.1"]
    assert b"PRIVATE KEY" in key


def test_a_context_of_its_own_can_serve() -> None:
    assert not tls.own_context().check_hostname
