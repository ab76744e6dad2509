"""`kubectl completion SHELL`: a script that completes commands, their subcommands and flags."""

from __future__ import annotations

import argparse

from kubectl import commands
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.session import Session

BASH = """_kubectl() {
    local word="${COMP_WORDS[COMP_CWORD]}" at words=""
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "${COMP_WORDS[at]}" in -*) ;; *) words="$words ${COMP_WORDS[at]}" ;; esac
    done
    case "${words# }" in
%(cases)s
    esac
}
complete -o default -F _kubectl kubectl
"""
ZSH = "#compdef kubectl\nautoload -U +X bashcompinit && bashcompinit\n" + BASH
FISH_LINE = "complete -c kubectl -f -n '%(when)s' -a '%(words)s'"
POWERSHELL = """Register-ArgumentCompleter -Native -CommandName 'kubectl' -ScriptBlock {
    param($word, $tree, $at)
    @(%(names)s) | Where-Object { $_ -like "$word*" }
}
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("shell", nargs="?", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    if not args.shell:
        raise CommandError("Shell not specified.\nSee 'kubectl completion -h' for help and examples")
    known = {name: sorted(command.subcommands) for name, command in commands.load_all().items()}
    match args.shell:
        case "bash" | "zsh":
            session.out.write((BASH if args.shell == "bash" else ZSH) % {"cases": _cases(known)})
        case "fish":
            session.out.write(_fish(known))
        case "powershell":
            session.out.write(POWERSHELL % {"names": ", ".join(f"'{name}'" for name in sorted(known))})
        case _:
            raise CommandError(
                f"Unsupported shell type \"{args.shell}\".\nSee 'kubectl completion -h' for help and examples"
            )
    return 0


def _cases(known: dict[str, list[str]]) -> str:
    rows = [f'        "") COMPREPLY=($(compgen -W "{" ".join(sorted(known))}" -- "$word")) ;;']
    rows += [
        f'        {name}) COMPREPLY=($(compgen -W "{" ".join(subs)}" -- "$word")) ;;'
        for name, subs in sorted(known.items())
        if subs
    ]
    return "\n".join(rows)


def _fish(known: dict[str, list[str]]) -> str:
    rows = [FISH_LINE % {"when": "__fish_use_subcommand", "words": " ".join(sorted(known))}]
    rows += [
        FISH_LINE % {"when": f"__fish_seen_subcommand_from {name}", "words": " ".join(subs)}
        for name, subs in sorted(known.items())
        if subs
    ]
    return "\n".join(rows) + "\n"


COMMAND = Command(
    help="Output shell completion code for the specified shell (bash, zsh, fish, or powershell)",
    run=run,
    arguments=arguments,
    offline=True,
)
