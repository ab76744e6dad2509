"""Measures any Kubernetes-style API server from outside. Standard library alone, so that every server is asked at the same price."""
