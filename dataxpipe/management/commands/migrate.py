from typing import Any

from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    """Django's `migrate`, as the role that owns the tables; the application's role may not change them."""

    def handle(self, *args: Any, **options: Any) -> None:
        with connections[options["database"]].as_owner():  # type: ignore[attr-defined]
            super().handle(*args, **options)
