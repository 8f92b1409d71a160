"""The web process as the Procfile starts it, on a free port, and its end."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 60
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def running_server() -> Iterator[int]:
    """The port that gunicorn answers on, with the environment of this process."""
    port = _free_port()
    command = next(line.partition(":")[2] for line in _procfile() if line.startswith("web:"))
    _, *arguments = shlex.split(command)
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | {"PORT": str(port)}, stderr=subprocess.DEVNULL
    )
    try:
        _wait(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _procfile() -> list[str]:
    return (ROOT / "Procfile").read_text().splitlines()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The web process does not start: run its command of the Procfile to see why.")
