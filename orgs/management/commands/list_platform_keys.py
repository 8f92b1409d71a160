from __future__ import annotations

import datetime
from typing import Any

from django.core.management.base import BaseCommand

from orgs.models import PlatformKey


class Command(BaseCommand):
    help = "Lists the platform keys, the newest first: id, hint, name, made, last used, revoked."

    def handle(self, *args: Any, **options: Any) -> None:
        for key in PlatformKey.objects.order_by("-created_at"):
            times = [_word(key.created_at), _word(key.last_used_at), _word(key.revoked_at)]
            self.stdout.write("\t".join([str(key.pk), key.hint, key.name, *times]))


def _word(instant: datetime.datetime | None) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}" if instant else "-"
