from __future__ import annotations

import datetime
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.models import Organization
from orgs.permissions import EVERYDAY_SCOPES
from orgs.services.api_keys import Limits, create_api_key
from orgs.tenancy import tenant_scope


class Command(BaseCommand):
    help = "Makes an API key and prints it, and nothing else, on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--name", required=True, help="what will use it")
        parser.add_argument(
            "--scopes", default=",".join(EVERYDAY_SCOPES), help="with commas between (default: %(default)s)"
        )
        parser.add_argument(
            "--expires",
            metavar="WHEN",
            help="90d, 24h, or an instant such as 2027-01-31T00:00:00Z; never, unless given",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["slug"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['slug']}.")
        scopes = tuple(scope.strip() for scope in options["scopes"].split(",") if scope.strip())
        limits = Limits(scopes=scopes, expires_at=_instant(options["expires"]))
        try:
            with tenant_scope(organization):
                issued = create_api_key(name=options["name"], limits=limits, actor=Actor.system("issue_api_key"))
        except Problem as refusal:
            raise CommandError(" ".join([refusal.detail, *(error.detail for error in refusal.errors)])) from refusal
        self.stdout.write(issued.text)


def _instant(text: str | None) -> datetime.datetime | None:
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
