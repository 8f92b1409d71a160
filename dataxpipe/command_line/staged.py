"""What git has staged, as it would be committed: not what the files in the working tree hold meanwhile."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from typing import IO

from dataxpipe.command_line.command import CannotAsk

SUBMODULE = "160000"


def staged_files() -> Iterator[tuple[str, IO[bytes]]]:
    """Paths from the top of the repository, with their staged content; raises `CannotAsk` outside of one."""
    _git("rev-parse", "--git-dir")  # outside of a repository `diff` means another command, and says so at length
    listed = _git("diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--diff-filter=d").split(b"\0")
    for change, path in zip(listed[::2], listed[1::2], strict=False):
        _, mode, _, blob, _ = change.decode().split(" ")
        if mode != SUBMODULE:
            yield os.fsdecode(path), io.BytesIO(_git("cat-file", "blob", blob))


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise CannotAsk("git was not found: --staged needs it.") from None
    if done.returncode:
        raise CannotAsk(f"git says: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
