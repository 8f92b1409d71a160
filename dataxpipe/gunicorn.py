"""gunicorn's settings; `GUNICORN_CMD_ARGS` overrides each of them."""

import gc
import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

try:
    # A missing secret is told here in one line, before workers fail at it in turn.
    import dataxpipe.settings  # noqa: F401
except ImproperlyConfigured as error:
    sys.exit(f"{error}")

# Behind a reverse proxy on the same host. In a container: GUNICORN_CMD_ARGS="--bind 0.0.0.0:8000".
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# A process works in few of them at once; in the others organizations wait for their turn (orgs/fair_share.py).
threads = 16
# Clients that post events keep their connection: a request on an open one is 2 to 3 times as fast.
keepalive = 75
timeout = 30
graceful_timeout = 10
# One long path in the home directory, shared by every deployment of a user, and nothing here asks it.
control_socket_disable = True
# Loaded once and shared by the processes: half the time to start, less memory, and what must not start says so once.
preload_app = True


def on_starting(server: Any) -> None:
    """gunicorn names the address of a request that failed, which may be one that was mailed."""
    from dataxpipe.logs import DiscreetFormatter

    for log, line in ((server.log.error_log, server.log.error_fmt), (server.log.access_log, server.log.access_fmt)):
        for handler in log.handlers:
            handler.setFormatter(DiscreetFormatter(line, server.log.datefmt))


def when_ready(server: Any) -> None:
    """What is loaded stays: the collector need not look at it, nor touch the memory that the processes share."""
    gc.collect()
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    """A batch of events is a hundred thousand objects that live together; looking through them took a seventh of it."""
    gc.set_threshold(20_000, 20, 20)
    # A request gives the processor away at each query, and gets it back from one that computes: sooner than after 5 ms.
    sys.setswitchinterval(0.001)
    from orgs.services.flushing import start_flushing

    start_flushing()


def worker_exit(server: Any, worker: Any) -> None:
    """Counts that a process holds in memory are written before it ends."""
    from orgs.services.flushing import flush_all

    flush_all()
