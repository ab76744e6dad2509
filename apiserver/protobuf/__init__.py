"""Request bodies in `application/vnd.kubernetes.protobuf`: some clients, kubectl's `create` among them, send nothing else."""
