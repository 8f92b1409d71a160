"""Looking for API keys in bytes: line by line, in pieces that fit into memory."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from orgs.keys import LONGEST, found_in, hint

PIECE_BYTES = 1 << 20
SNIFFED_BYTES = 8 << 10
# The bytes of a UTF-8 character after its first: a column is a character, also where a piece cuts through one.
FOLLOWING = bytes(range(0x80, 0xC0))
VERSION_CONTROL = {".git", ".hg", ".svn", ".jj"}
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"(\xb5/\xfd", b"Rar!")


@dataclass(frozen=True, slots=True)
class Finding:
    path: str
    line: int
    column: int
    hint: str

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.line}:{self.column}: {self.hint}"


@dataclass(slots=True)
class Scan:
    """What was found is yielded, what was left out is counted."""

    with_binaries: bool = False
    binaries: int = 0
    archives: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def path(self, path: str) -> Iterator[Finding]:
        """A file whatever it is, or the regular files below a directory."""
        if not Path(path).is_dir():
            yield from self._file(path)
            return
        for directory, names, files in os.walk(path, onerror=self._note):
            names[:] = sorted(name for name in names if name not in VERSION_CONTROL)
            for name in sorted(files):
                inner = Path(directory, name)
                if inner.is_file() and not inner.is_symlink():
                    yield from self._file(str(inner))

    def stream(self, path: str, content: IO[bytes]) -> Iterator[Finding]:
        start = content.read(SNIFFED_BYTES)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = (start + content.read()).decode("utf-16", "replace")
            yield from _findings(path, io.BytesIO(text.encode(errors="replace")), b"")
            return
        is_binary = b"\0" in start or start.startswith(ARCHIVES)
        if is_binary and not self.with_binaries:
            self.binaries += 1
            self.archives += start.startswith(ARCHIVES)
            return
        yield from _findings(path, content, start)

    def _file(self, path: str) -> Iterator[Finding]:
        try:
            with open(path, "rb") as content:
                yield from self.stream(path, content)
        except OSError as error:
            self._note(error, path)

    def _note(self, error: OSError, path: str | None = None) -> None:
        self.unreadable.append((shown(path or str(error.filename)), error.strerror or type(error).__name__))


def _findings(path: str, content: IO[bytes], start: bytes) -> Iterator[Finding]:
    """Memory stays the same however long a file or a line is: what may be the beginning of a key waits for more."""
    line, column, data, is_end = 1, 0, start, False
    while not is_end:
        more = content.read(PIECE_BYTES)
        data, is_end = data + more, not more
        decided = len(data) if is_end else max(0, len(data) - LONGEST + 1)
        for place, key in found_in(data):
            if place < decided:
                yield Finding(path, *_place(line, column, data[:place]), hint(key))
        line, column = _place(line, column, data[:decided])
        column, data = column - 1, data[decided:]


def _place(line: int, column: int, passed: bytes) -> tuple[int, int]:
    """Line and column, both from 1, after `passed`, which began at this line behind `column` characters."""
    breaks = passed.count(b"\n")
    on_line = passed.rpartition(b"\n")[2] if breaks else passed
    return line + breaks, len(on_line.translate(None, FOLLOWING)) + (1 if breaks else column + 1)


def shown(path: str) -> str:
    """A path for a terminal and for logs: control characters escaped, and a key in a name shortened."""
    for _, key in found_in(path.encode(errors="surrogateescape")):
        path = path.replace(key, hint(key))
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in path)
