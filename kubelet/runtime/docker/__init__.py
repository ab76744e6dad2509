"""Docker as a Runtime."""

from kubelet.runtime.docker.runtime import DockerRuntime

__all__ = ["DockerRuntime"]
