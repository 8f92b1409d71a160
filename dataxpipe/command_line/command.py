from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


class CannotAsk(Exception):
    """The question could not be asked; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Command:
    """One sub-command. `run` prints its answer and returns the exit status."""

    name: str
    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
