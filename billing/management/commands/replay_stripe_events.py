"""`manage.py replay_stripe_events`: applies again what Stripe told and what has had no effect yet."""

from __future__ import annotations

import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.models import StripeEvent
from billing.services.events import fetch_missed_events, replay_events
from dataxpipe.problems import Problem


class Command(BaseCommand):
    help = "Apply Stripe's events that are received or quarantined, for instance after a price was listed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event_ids", nargs="*", metavar="evt_…", help="these alone")
        parser.add_argument(
            "--missed-days", type=int, choices=range(1, 31), metavar="1-30", help="also ask Stripe for events we lack"
        )

    def handle(self, *, event_ids: list[str], missed_days: int | None, **options: Any) -> None:
        try:
            if missed_days:
                missed = fetch_missed_events(since=timezone.now() - datetime.timedelta(days=missed_days))
                self.stdout.write(f"{len(missed)} events were missed")
            events = StripeEvent.objects.unfinished().order_by("occurred_at", "pk")
            if event_ids:
                events = events.filter(event_id__in=event_ids)
                _require_known(event_ids)
            counts = replay_events(events)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(f"{counts['applied']} applied, {counts['quarantined']} quarantined")


def _require_known(event_ids: list[str]) -> None:
    known = set(StripeEvent.objects.filter(event_id__in=event_ids).values_list("event_id", flat=True))
    if unknown := sorted(set(event_ids) - known):
        raise CommandError(f"No such event was received: {', '.join(unknown)}. --missed-days asks Stripe.")
