"""The audit log: who did what, as audit.k8s.io/v1 events, by a policy. Off unless a policy and somewhere to write are given.

request ──Policy──▶ Ruling (level, stages left out) ──Record──▶ event ──▶ log file, webhook
"""

from __future__ import annotations

from apiserver.audit.auditor import Auditor, build

__all__ = ["Auditor", "build"]
