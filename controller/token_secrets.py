"""Secrets that hold a service account's token: their type, and the annotations that name the account."""

from __future__ import annotations

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
