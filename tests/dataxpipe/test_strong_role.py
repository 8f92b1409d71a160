"""A role that row-level security does not bind gets no connection, and the process does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

ROOT = Path(__file__).parents[2]


@pytest.fixture
def as_strong_role(db):
    """The default database with the owner's credentials where the application's belong."""
    wrapper = connection.copy(alias="strong")
    wrapper.settings_dict.update(wrapper.settings_dict.get("OWNER", {}))
    wrapper._checked_roles = set()
    yield wrapper
    wrapper.close()
    wrapper.close_pool()


def test_the_owner_of_the_tables_is_refused(as_strong_role):
    with pytest.raises(ImproperlyConfigured, match="can bypass row-level security"):
        as_strong_role.ensure_connection()


def test_the_refused_connection_goes_back_to_the_pool(as_strong_role):
    for _ in range(as_strong_role.settings_dict["OPTIONS"]["pool"]["max_size"] + 1):
        with pytest.raises(ImproperlyConfigured):
            as_strong_role.ensure_connection()


def test_it_is_looked_at_once_for_a_role_that_may(db, django_assert_num_queries):
    wrapper = connection.copy(alias="weak")
    wrapper.check_role()
    wrapper.check_role()
    assert len(wrapper._checked_roles) >= 1


def start(code: str = "import dataxpipe.wsgi", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "dataxpipe.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_web_does_not_start_and_says_why_in_one_line(as_strong_role):
    params = as_strong_role.get_connection_params()
    credentials = f"{params['user']}:{quote(params.get('password', ''), safe='')}"
    url = f"postgres://{credentials}@/{params['dbname']}?host={params['host']}&port={params.get('port', 5432)}"
    done = start(DATAXPIPE_DB=url)
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert line.startswith(f"The database role {params['user']} can bypass row-level security")


def test_the_web_starts_while_the_database_is_away():
    done = start(DATAXPIPE_DB="postgres://somebody@127.0.0.1:1/nowhere")
    assert done.returncode == 0
    assert "The database does not answer yet" in done.stderr


def test_the_start_opens_no_pool_because_a_server_may_fork_after_it():
    done = start("import dataxpipe.wsgi; from django.db import connection; print(connection._connection_pools)")
    assert done.stdout == "{}\n"
