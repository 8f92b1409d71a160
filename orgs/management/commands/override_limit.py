from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.management.instants import read_instant
from orgs.models import Organization
from orgs.plans import LIMITS, Override
from orgs.services.overrides import end_override, override_limit

OF_THE_PLAN, UNLIMITED = "plan", "unlimited"


class Command(BaseCommand):
    help = "Gives one organization a limit of its own in place of its plan's, with a reason and perhaps an end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("resource", metavar="RESOURCE", choices=LIMITS, help=", ".join(LIMITS))
        parser.add_argument(
            "limit",
            metavar="LIMIT",
            type=_limit,
            help=f"a whole number; `{UNLIMITED}`; or `{OF_THE_PLAN}`: again what the plan allows",
        )
        parser.add_argument("--reason", required=True, help="for the audit log and for the organization to read")
        parser.add_argument("--until", metavar="WHEN", help="90d, 24h, or an instant such as 2027-01-31T00:00:00Z")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["slug"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['slug']}.")
        resource, limit, reason = options["resource"], options["limit"], options["reason"]
        actor = Actor.system("override_limit")
        try:
            if limit == OF_THE_PLAN:
                end_override(organization=organization, resource=resource, reason=reason, actor=actor)
            else:
                override_limit(
                    organization=organization,
                    override=Override(
                        resource, None if limit == UNLIMITED else int(limit), reason, read_instant(options["until"])
                    ),
                    actor=actor,
                )
        except Problem as refusal:
            raise CommandError(" ".join([refusal.detail, *(error.detail for error in refusal.errors)])) from refusal


def _limit(text: str) -> str:
    if text not in (OF_THE_PLAN, UNLIMITED) and not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"{text} is no limit: write a number, {UNLIMITED} or {OF_THE_PLAN}.")
    return text
