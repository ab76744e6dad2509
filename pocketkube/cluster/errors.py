"""What a person can do something about: printed as one line, exit code 1."""


class ClusterError(Exception):
    """The message names the cause and the way out."""
