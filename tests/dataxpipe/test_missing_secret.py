"""Production does not start without its secrets, and says in one line which is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = {"DATAXPIPE_SECRET_KEY": "x" * 50, "DATAXPIPE_ENCRYPTION_KEYS": "a:" + "A" * 43 + "="}
COMMANDS = {
    "manage.py": ["manage.py", "check"],
    "web": ["-m", "gunicorn", "--config", "dataxpipe/gunicorn.py", "--check-config", "dataxpipe.wsgi"],
}


def start(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    ours = ("DATAXPIPE_SECRET", "DATAXPIPE_ENCRYPTION", "DJANGO_", "DEBUG")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, *COMMANDS[command]],
        cwd=ROOT,
        env=inherited | {"DEBUG": "false"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_it_starts_with_all_secrets(command):
    done = start(command, SECRETS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_secret_stops_the_start_with_one_line(command, missing):
    done = start(command, {name: value for name, value in SECRETS.items() if name != missing})
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{missing} is not set.")
