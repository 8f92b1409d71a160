from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.management.instants import read_instant
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
        limits = Limits(scopes=scopes, expires_at=read_instant(options["expires"]))
        try:
            with tenant_scope(organization):
                issued = create_api_key(name=options["name"], limits=limits, actor=Actor.system("issue_api_key"))
        except Problem as refusal:
            raise CommandError(" ".join([refusal.detail, *(error.detail for error in refusal.errors)])) from refusal
        self.stdout.write(issued.text)
