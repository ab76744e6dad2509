"""Scheduling plugins, one a file; each exports PLUGIN. scheduler/profile.py states their order and weights."""
