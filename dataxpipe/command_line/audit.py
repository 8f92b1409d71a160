"""`dataxpipe audit FILE`: is an exported audit trail what the server signed? Checked offline, with its public keys."""

from __future__ import annotations

import argparse
import sys

from dataxpipe.command_line.command import CannotAsk, Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the export, one line of JSON an entry; - reads standard input")
    parser.add_argument(
        "--keys", required=True, metavar="FILE", help="the public keys, as /.well-known/audit-keys.json answers them"
    )


def _run(options: argparse.Namespace) -> int:
    # Needs the package cryptography, which the other sub-commands should not wait for.
    from orgs.audit_trail import TrailUnreadable, public_keys, verify_trail

    try:
        with open(options.keys, encoding="utf-8") as keys_file:
            keys = public_keys(keys_file.read())
        if options.file == "-":
            report = verify_trail(sys.stdin, keys)
        else:
            with open(options.file, encoding="utf-8") as lines:
                report = verify_trail(lines, keys)
    except (OSError, UnicodeDecodeError, TrailUnreadable) as error:
        raise CannotAsk(str(error)) from error
    if not report.is_intact:
        sys.stdout.write(f"Entry {report.bad_sequence} does not fit: {report.reason}.\n")
        return 1
    anchors = "1 anchor" if report.anchor_count == 1 else f"{report.anchor_count} anchors"
    sys.stdout.write(
        f"Organization {report.organization}: {report.head} entries fit, {report.anchored} of them are signed "
        f"({anchors}), {report.erased_people} had their personal fields erased.\n"
    )
    return 0


COMMAND = Command(
    name="audit",
    summary="is an exported audit trail intact?",
    description="Checks an exported audit trail against the public keys of the server, without asking it. Exit status"
    " 0: every entry fits; 1: one does not, and which is told; 2: the files could not be read.",
    add_arguments=_add_arguments,
    run=_run,
)
