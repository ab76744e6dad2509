"""Pods: DELETE answers with the pod."""

from __future__ import annotations

from apiserver.registry.strategy import Strategy


class Pods(Strategy):
    group, plural = "", "pods"
    returns_deleted = True


STRATEGY = Pods
