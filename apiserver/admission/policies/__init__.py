"""Admission by expressions: policies, their bindings and parameters, compiled and kept until one of them changes."""
