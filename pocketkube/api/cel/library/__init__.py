"""What Kubernetes adds to CEL, a module a subject: each has FUNCTIONS, `catalogue` has them all."""
