from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.services.platform_keys import revoke_platform_key


class Command(BaseCommand):
    help = "Ends a platform key: it is refused from the next request on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="NAME_OR_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            platform_key = revoke_platform_key(name_or_id=options["key"], actor=Actor.system("revoke_platform_key"))
        except Problem as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{platform_key} revoked")
