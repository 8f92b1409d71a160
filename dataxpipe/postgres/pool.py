"""What happens to a connection on its way back into the pool."""

from typing import Any

from dataxpipe.postgres.walls import SETTING


class StillBound(Exception):
    """A connection came back with an organization in its session; the pool throws it away."""


def discard_when_bound(connection: Any) -> None:
    """The pool's `reset` callback: raising makes the pool close the connection and open a fresh one.

    A session-level SET would otherwise hand one tenant's binding to the next request.
    """
    (bound,) = connection.execute(f"SELECT current_setting('{SETTING}', true)").fetchone()
    if bound:
        raise StillBound(bound)
