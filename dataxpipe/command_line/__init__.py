"""`dataxpipe`, the command for CI: standard library only, so that it starts in milliseconds without Django.

A sub-command is a `Command` in a module of its own, listed in `COMMANDS`. It answers its exit status: 0 yes, 1 no; 2 is
for questions that could not be asked (bad usage, no connection, refused).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dataxpipe.command_line import audit, keys, limits
from dataxpipe.command_line.command import CannotAsk, Command

COMMANDS: tuple[Command, ...] = (limits.COMMAND, keys.COMMAND, audit.COMMAND)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except CannotAsk as reason:
        sys.stderr.write(f"dataxpipe: {reason}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dataxpipe", description="Ask a DataXPipe server, from CI or a terminal.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        child = commands.add_parser(command.name, help=command.summary, description=command.description)
        command.add_arguments(child)
        child.set_defaults(run=command.run)
    return parser
