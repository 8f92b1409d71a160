"""The application for gunicorn and every other WSGI server.

What must not start, a role that row-level security does not bind or a missing secret, ends with one line.
"""

import logging
import os
import sys

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import get_resolver

from dataxpipe.requests.chunked import Application, with_chunked_bodies

WORKER_BOOT_ERROR = 3  # at this status gunicorn gives up, at others it starts the next worker


def checked_application() -> Application:
    try:
        application = get_wsgi_application()
        get_resolver().url_patterns  # noqa: B018  (loads the views now, and not at the first request)
        _check_role()
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)  # noqa: T201  (there is no logging yet)
        sys.exit(WORKER_BOOT_ERROR)
    from orgs.floods import refusing_floods  # its models need the apps

    return refusing_floods(with_chunked_bodies(application, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


def _check_role() -> None:
    """Every connection is checked when it is made; a wrong role is better told now than to the first visitor."""
    try:
        connection.check_role()  # type: ignore[attr-defined]
    except psycopg.OperationalError as error:
        logging.getLogger(__name__).warning("The database does not answer yet: %s", " ".join(str(error).split()))


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataxpipe.settings")
application = checked_application()
