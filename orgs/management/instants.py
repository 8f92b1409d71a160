from __future__ import annotations

import datetime
import re

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime


def read_instant(text: str | None) -> datetime.datetime | None:
    """What an option says: `90d` and `24h` from now, or an instant with its offset. Raises `CommandError`."""
    if text is None:
        return None
    if span := re.fullmatch(r"([1-9]\d{0,4})([hd])", text):
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        return timezone.now() + datetime.timedelta(hours=hours)
    try:
        instant = parse_datetime(text)
    except ValueError:
        instant = None
    if instant is None or timezone.is_naive(instant):
        raise CommandError(f"{text} is no time: write 90d, 24h, or 2027-01-31T00:00:00Z.")
    return instant
