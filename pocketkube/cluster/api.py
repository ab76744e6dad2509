"""A few requests to the cluster's API server, by the standard library alone: the tool must start fast and mostly waits."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec

Obj = dict[str, Any]


class Api:
    """The cluster as one of its users. Raises OSError while nobody answers, ssl.SSLError where the server is not the one that we trust."""

    def __init__(self, server: str, context: ssl.SSLContext, *, token: str = ""):
        self._at = urlsplit(server)
        self._context = context
        self._token = token
        self.date = ""  # what the server's clock said in its last answer, as HTTP puts it

    @classmethod
    def of(cls, layout: Layout, spec: ClusterSpec, *, server: str = "") -> Api:
        """As the administrator; on a machine that joined, as its node. `server` is a URL other than the cluster's own."""
        user = "admin" if spec.control_plane else f"kubelet-{spec.nodes[0].name}"
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        context.load_cert_chain(layout.pki / f"{user}.crt", layout.pki / f"{user}.key")
        return cls(server or spec.server, context)

    def call(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = "application/json"
    ) -> tuple[int, Obj]:
        """(HTTP code, decoded answer); an answer that is no JSON object becomes {"message": text}."""
        connection = http.client.HTTPSConnection(
            self._at.hostname or "", self._at.port, context=self._context, timeout=10
        )
        try:
            headers = {"Content-Type": content_type, "Accept": "application/json"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            self.date = answer.headers.get("Date", "")
        finally:
            connection.close()
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        return answer.status, found if isinstance(found, dict) else {"message": data.decode(errors="replace")}

    def ready(self) -> bool:
        try:
            return self.call("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def nodes(self, *, since: str = "") -> dict[str, bool]:
        """Node name to whether it is Ready, and has said so at or after `since` (RFC 3339); {} while the server cannot say."""
        try:
            code, answer = self.call("GET", "/api/v1/nodes")
        except (OSError, http.client.HTTPException):
            return {}
        return {n["metadata"]["name"]: _is_ready(n, since) for n in answer.get("items", [])} if code == 200 else {}

    def apply(self, obj: Obj, path: str) -> None:
        """Server-side apply, as field manager `pocketkube`."""
        query = "?fieldManager=pocketkube&force=true"
        code, answer = self.call(
            "PATCH", path + query, json.dumps(obj).encode(), content_type="application/apply-patch+yaml"
        )
        if code >= 300:
            raise OSError(f"{path}: {answer.get('message')}")


def _is_ready(node: Obj, since: str) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(
        c["type"] == "Ready" and c["status"] == "True" and (c.get("lastHeartbeatTime") or "") >= since
        for c in conditions
    )
