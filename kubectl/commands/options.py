"""`kubectl options`: the flags that every command takes."""

from __future__ import annotations

import argparse

from kubectl.command import Command
from kubectl.session import Session

FLAGS = (
    ("as", "''", "Username to impersonate for the operation."),
    ("as-group", "[]", "Group to impersonate for the operation; may be repeated."),
    (
        "certificate-authority",
        "''",
        "Path to a certificate of the authority that the server's certificate is checked by.",
    ),
    ("cluster", "''", "The name of the kubeconfig cluster to use."),
    ("context", "''", "The name of the kubeconfig context to use."),
    ("insecure-skip-tls-verify", "false", "Do not check the server's certificate: whoever answers is believed."),
    ("kubeconfig", "''", "Path to the kubeconfig file to use."),
    ("namespace", "''", "The namespace of this request."),
    (
        "request-timeout",
        "'0'",
        "How long to wait for one answer of the server, as 30s or 2m; 0 is as long as it takes.",
    ),
    ("server", "''", "The address of the API server."),
    ("token", "''", "Bearer token for authentication to the API server."),
    ("user", "''", "The name of the kubeconfig user to use."),
    ("v", "0", "How much is told of what is done."),
)
SHORT = {"namespace": "-n, ", "server": "-s, ", "v": "-v, "}


async def run(session: Session, args: argparse.Namespace) -> int:
    session.say("The following options can be passed to any command:\n")
    for name, default, text in FLAGS:
        session.say(f"    {SHORT.get(name, '')}--{name}={default}:\n\t{text}\n")
    return 0


COMMAND = Command(help="Print the list of flags inherited by all commands", run=run, offline=True)
