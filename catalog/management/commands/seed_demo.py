from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from catalog.demo.history import MOST_RUNS
from catalog.demo.load import load_stories
from catalog.demo.seeding import seed_archived, seed_pipelines
from catalog.demo.stories import ACME, GLOBEX
from catalog.demo.usage import seed_usage
from orgs.models import Membership, Organization, User
from orgs.tenancy import JOB, tenant_scope

PORTION = 200  # a transaction each: the planner knows nothing of rows that a transaction has only just written


class Command(BaseCommand):
    help = "Make the demo organizations acme-corp and globex; run again, it adds only what is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pipelines", type=int, default=len(ACME), help="of acme-corp, from 60 on for load")
        parser.add_argument("--runs", type=int, help="of the pipelines beyond the 60, all together")
        parser.add_argument("--force", action="store_true", help="also where DEBUG is off")

    def handle(self, *, pipelines: int, runs: int | None, force: bool, **options: Any) -> None:
        if not settings.DEBUG and not force:
            raise CommandError("Demo data is for development, with DEBUG=true. --force makes it all the same.")
        with transaction.atomic():
            acme, password = _organization("acme-corp", "Acme Corp", "business", "alice")
            globex, _ = _organization("globex", "Globex", "team", "gary")
            with tenant_scope(acme, timeouts=JOB):
                seed_pipelines(ACME)
                seed_archived()
            with tenant_scope(globex, timeouts=JOB):
                seed_pipelines(GLOBEX)
        further = load_stories(max(0, pipelines - len(ACME)))
        each = MOST_RUNS if runs is None else max(1, runs // max(1, len(further)))
        for start in range(0, len(further), PORTION):
            with tenant_scope(acme, timeouts=JOB):
                seed_pipelines(further[start : start + PORTION], most_runs=each)
        for organization in (acme, globex):
            with tenant_scope(organization, timeouts=JOB):
                seed_usage()
        if options["verbosity"]:
            self.stdout.write(f"Log in as alice@{acme.slug}.example, {password or 'with the password you have'}")


def _organization(slug: str, name: str, plan: str, owner: str) -> tuple[Organization, str]:
    """The organization with its owner, and the owner's password where it was made now."""
    organization, _ = Organization.objects.get_or_create(slug=slug, defaults={"name": name, "plan_name": plan})
    people = {owner: "owner", "bob": "editor", "vera": "viewer"} if owner == "alice" else {owner: "owner"}
    password = ""
    for person, role in people.items():
        email = f"{person}@{slug}.example"
        user, is_new = User.objects.get_or_create(
            email=email, defaults={"name": person, "email_confirmed_at": timezone.now()}
        )
        if is_new and role == "owner":
            password = secrets.token_urlsafe(9)
            user.set_password(password)
            user.save(update_fields=["password"])
        Membership.objects.get_or_create(organization=organization, user=user, defaults={"role": role})
    return organization, password
