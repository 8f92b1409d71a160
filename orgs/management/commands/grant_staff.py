from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orgs.actors import Actor
from orgs.models import User
from orgs.services.staff import set_staff


class Command(BaseCommand):
    help = "Makes a person one of the staff, who see /admin/ and may enter organizations; --revoke ends it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--revoke", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=User.objects.normalize_email(options["email"])).first()
        if user is None:
            raise CommandError(f"Nobody has an account under {options['email']}.")
        set_staff(user=user, is_staff=not options["revoke"], actor=Actor.system("grant_staff"))
        self.stdout.write(f"{user.email} is {'no longer' if options['revoke'] else 'one of the'} staff")
