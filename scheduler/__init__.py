"""Decides which node each pod runs on, and tells the API server."""
