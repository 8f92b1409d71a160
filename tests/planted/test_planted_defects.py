"""Each planted defect, alone, turns the tests red that are named for it; without one they are green."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.defects import DEFECTS

pytestmark = pytest.mark.prove

ROOT = Path(__file__).parents[2]


def run_with(name: str, tests: list[str], **environment: str) -> tuple[int, list[str], str]:
    """pytest's exit status, the tests that did not pass, and what it said."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=line", "-rfE", "-p", "tests.planted", "--planted", name, *tests],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    lines = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return done.returncode, lines, done.stdout + done.stderr


def test_without_a_defect_they_are_green():
    tests = sorted({test for defect in DEFECTS.values() for test in defect.noticed_by})
    status, _, said = run_with("nothing", tests)
    assert status == 0, said


@pytest.mark.parametrize("name", DEFECTS)
def test_the_defect_is_noticed(name, tmp_path):
    defect = DEFECTS[name]
    own = {"DATAXPIPE_DATA_DIR": str(tmp_path), "DATAXPIPE_DB": ""} if defect.needs_own_cluster else {}
    status, red, said = run_with(name, list(defect.noticed_by), **own)
    blind = [test for test in defect.noticed_by if not any(line.startswith(test) for line in red)]
    assert status == 1, said
    assert not blind, f"{blind} did not notice {name}\n{said}"
