"""`dataxpipe keys scan`: finds API keys that stand where they should not, by their pattern and checksum."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from dataxpipe.command_line.command import CannotAsk, Command
from dataxpipe.command_line.scan import Finding, Scan
from dataxpipe.command_line.staged import staged_files


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    scan = actions.add_parser("scan", help="find leaked keys", description=_SCAN)
    scan.add_argument("paths", nargs="*", metavar="PATH", help="files and directories; - is standard input")
    scan.add_argument("--staged", action="store_true", help="what git has staged, as it would be committed")
    scan.add_argument("--binary", action="store_true", help="look into binary files too")


def _run(options: argparse.Namespace) -> int:
    if options.staged == bool(options.paths):
        raise CannotAsk("Say what to scan: files and directories, - for standard input, or --staged.")
    scan = Scan(with_binaries=options.binary)
    found = 0
    for finding in _findings(scan, options):
        found += 1
        sys.stdout.write(f"{finding}\n")
    for note in _notes(scan, found):
        sys.stderr.write(f"dataxpipe: {note}\n")
    if found:
        return 1
    return 2 if scan.unreadable else 0


def _findings(scan: Scan, options: argparse.Namespace) -> Iterator[Finding]:
    if options.staged:
        for path, content in staged_files():
            yield from scan.stream(path, content)
    for path in options.paths:
        if path == "-":
            yield from scan.stream("-", sys.stdin.buffer)
        else:
            yield from scan.path(path)


def _notes(scan: Scan, found: int) -> Iterator[str]:
    for path, reason in scan.unreadable:
        yield f"{path} cannot be read: {reason}"
    if scan.binaries:
        archives = f", {scan.archives} of them archives: unpack them to scan what is inside" if scan.archives else ""
        yield f"{scan.binaries} binary file{'' if scan.binaries == 1 else 's'} skipped{archives}"
    if found:
        yield f"{found} key{'' if found == 1 else 's'} found: rotate or revoke them, wherever this text went"


_SCAN = (
    "Finds API keys in files, directories, standard input or what git has staged, by pattern and checksum. Prints"
    " path:line:column and the ends of the key, never the key. Directories of version control are skipped, binary"
    " files unless --binary, links inside of directories; archives are not opened. Exit status 0: clean; 1: keys"
    " found; 2: something could not be read."
)

COMMAND = Command(
    name="keys",
    summary="find leaked API keys",
    description="What can be done about API keys without a server.",
    add_arguments=_add_arguments,
    run=_run,
)
