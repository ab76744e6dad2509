"""OpenAPI documents of what is served: v2, v2 as a gnostic protobuf, and v3."""
