from __future__ import annotations

import datetime
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from catalog.services.lineage_events.replay import replay_events
from orgs.models import Organization
from orgs.services.usage.counts import flush_counts


class Command(BaseCommand):
    help = "Applies the OpenLineage events that an organization received in a window of time once more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--since", required=True, type=_instant, help="such as 2026-03-02T00:00:00Z")
        parser.add_argument("--until", type=_instant, help="the end of the window, not within it (default: now)")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["slug"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['slug']}.")
        until = options["until"] or timezone.now()
        done = replay_events(organization=organization, since=options["since"], until=until)
        flush_counts()
        self.stdout.write(f"{done.applied} events applied, {done.failed} failed.")


def _instant(text: str) -> datetime.datetime:
    """Argparse words the refusal of a `ValueError`."""
    instant = parse_datetime(text)
    if instant is None or timezone.is_naive(instant):
        raise ValueError(text)
    return instant
