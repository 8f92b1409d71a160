"""Defects that are planted one at a time, to see that the tests named for them turn red.

A pytest plugin, never part of the product: `python -m pytest -p tests.planted --planted policy_dropped tests/…`.
`tests/planted/test_planted_defects.py` plants each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--planted", help="the name of the defect to plant; `nothing` plants none")


def pytest_configure(config: Any) -> None:
    from django.db import connections

    # A database of its own, because other defects may be planted meanwhile.
    connections["default"].settings_dict["TEST"]["NAME"] = f"test_planted_{config.getoption('planted')}"


@pytest.fixture(scope="session", autouse=True)
def planted(request: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    from tests.planted.defects import DEFECTS

    name = request.config.getoption("planted")
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        if name != "nothing":
            DEFECTS[name].plant(patch)
        yield
