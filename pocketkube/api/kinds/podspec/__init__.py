"""The pod spec and template that Pod and every workload share: defaults and validation."""
