from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.services.platform_keys import issue_platform_key


class Command(BaseCommand):
    help = "Makes a platform key for /organizations/ and prints it, and nothing else, on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="what will use it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            issued = issue_platform_key(name=options["name"], actor=Actor.system("issue_platform_key"))
        except Problem as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(issued.text)
