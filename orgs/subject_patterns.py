"""Patterns of token subjects, as in `repo:acme/*:ref:refs/heads/main`.

`*` stands for anything without `/` and `:`, `**` for anything without `:`; everything else stands for itself, from the
first character to the last. What a subject is made of are parts with `:` between them, and a part never reaches into
the next: with a `*` that crossed it, a branch called `x:environment:production` would be taken for a deployment.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 500
MAX_WILDCARDS = 5
# `repo:acme/`, `project_path:acme/`, `system:serviceaccount:`: whose token it is has to be written out.
_OWNER = re.compile(r"[^:/*]+:[^:/*]+[:/]")
_WILDCARD = re.compile(r"\*+")


def defect_of(pattern: str) -> str | None:
    """What is wrong with a pattern, in a sentence; None for a sound one."""
    wildcards = _WILDCARD.findall(pattern)
    if not pattern or len(pattern) > MAX_CHARACTERS or not (pattern.isascii() and pattern.isprintable()):
        return f"A pattern has 1 to {MAX_CHARACTERS} printable ASCII characters."
    if len(wildcards) > MAX_WILDCARDS or any(len(wildcard) > 2 for wildcard in wildcards):
        return f"A pattern has at most {MAX_WILDCARDS} wildcards, * or **."
    if wildcards and not _OWNER.match(pattern):
        return "Write out whose tokens are trusted before the first *, as in repo:acme/*, so that strangers are not."
    return None


def matches(pattern: str, subject: str) -> bool:
    """Place by place and not by a regular expression, which five wildcards could keep busy for hours."""
    places = {0}
    for part in re.split(r"(\*+)", pattern):
        if part.startswith("*"):
            places = _reached(subject, places, stops=":" if part == "**" else ":/")
        else:
            places = {place + len(part) for place in places if subject.startswith(part, place)}
    return len(subject) in places


def _reached(subject: str, places: set[int], *, stops: str) -> set[int]:
    reached: set[int] = set()
    for place in sorted(places):
        while place not in reached:
            reached.add(place)
            if place < len(subject) and subject[place] not in stops:
                place += 1
    return reached
