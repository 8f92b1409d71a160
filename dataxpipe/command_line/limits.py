"""`dataxpipe limits`: does what CI is about to register fit into the organization's plan?"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.parse
from collections.abc import Sequence
from typing import Any

from dataxpipe.command_line.command import CannotAsk, Command
from dataxpipe.command_line.server import add_server_arguments, server_of

RESOURCES = ("pipelines", "connections")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    for resource in RESOURCES:
        parser.add_argument(
            f"--adding-{resource}", type=int, default=0, metavar="N", help=f"how many {resource} would be new"
        )
    parser.add_argument("--json", action="store_true", help="print the server's answer as it is")
    add_server_arguments(parser)


def _run(options: argparse.Namespace) -> int:
    server = server_of(options)
    adding = {f"adding_{resource}": getattr(options, f"adding_{resource}") for resource in RESOURCES}
    answer = server.get("/organizations/me/limits", adding)
    try:
        fits = answer["fits"] is True
        text = json.dumps(answer, indent=2) if options.json else _as_table(answer, server.url)
    except (LookupError, TypeError):
        raise CannotAsk(f"{server.url} did not answer as a DataXPipe server does. Is DATAXPIPE_URL right?") from None
    sys.stdout.write(f"{text}\n")
    return 0 if fits else 1


def _as_table(answer: dict[str, Any], url: str) -> str:
    rows = [("", "limit", "used", "adding", "")]
    for one in answer["resources"]:
        limit = "unlimited" if one["limit"] is None else f"{one['limit']:,}"
        verdict = "fits" if one["fits"] else "does not fit"
        rows.append((one["resource"], limit, f"{one['used']:,}", f"{one['adding']:,}", verdict))
    lines = [f"Plan: {answer['plan']}", "", *_aligned(rows)]
    if not answer["fits"]:
        upgrade = urllib.parse.urljoin(f"{url}/", answer["upgrade_url"])
        lines += ["", f"Archive what is no longer needed, or move to a larger plan: {upgrade}"]
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Numbers to the right, words to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if 0 < place < len(row) - 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


COMMAND = Command(
    name="limits",
    summary="does it fit into the plan?",
    description="Asks whether as many more would fit into the organization's plan. Exit status 0: they fit; 1: they do"
    " not; 2: the question could not be asked. Reserves nothing. The key needs the scope plan:read.",
    add_arguments=_add_arguments,
    run=_run,
)
