from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.models import Organization, User
from orgs.permissions import Role
from orgs.plans import PLANS
from orgs.services.organizations import add_member, change_plan, create_organization
from orgs.tenancy import tenant_scope

OPERATOR = Actor.system("create_organization")


class Command(BaseCommand):
    help = (
        "Makes an organization and its owner. Called again, it changes the plan and adds the owner where they differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--name", help="the slug, unless given")
        parser.add_argument("--plan", choices=list(PLANS), help="free, unless given")
        parser.add_argument(
            "--owner",
            metavar="EMAIL",
            help="an account is made if there is none; `changepassword EMAIL` gives it a password",
        )
        parser.add_argument("--parent", metavar="SLUG", help="makes a sub-organization of this one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                created = self._ensure(options)
        except Problem as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{options['slug']} {'created' if created else 'was there already'}")

    def _ensure(self, options: dict[str, Any]) -> bool:
        slug, owner = options["slug"], _owner(options["owner"])
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            create_organization(
                name=options["name"] or slug,
                slug=slug,
                plan_name=options["plan"] or "free",
                owner=owner,
                parent=_parent(options["parent"]),
                actor=OPERATOR,
            )
            return True
        if options["plan"]:
            change_plan(organization=organization, plan_name=options["plan"], actor=OPERATOR)
        if owner is not None and not organization.memberships.filter(user=owner).exists():
            with tenant_scope(organization):
                add_member(organization=organization, user=owner, role=Role.OWNER, actor=OPERATOR)
        return False


def _owner(email: str | None) -> User | None:
    if email is None:
        return None
    known = User.objects.filter(email=User.objects.normalize_email(email)).first()
    return known or User.objects.create_user(email)


def _parent(slug: str | None) -> Organization | None:
    if slug is None:
        return None
    parent = Organization.objects.filter(slug=slug).first()
    if parent is None:
        raise CommandError(f"There is no organization {slug}.")
    return parent
