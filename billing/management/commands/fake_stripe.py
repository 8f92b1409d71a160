"""`manage.py fake_stripe`: the pretend Stripe as a process of its own; `make run` starts it."""

import contextlib
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.fake_stripe.account import Account, price_ids
from billing.fake_stripe.server import FakeStripe, is_loopback

STATE = "fake_stripe.sqlite3"


class Command(BaseCommand):
    help = "Serve a pretend Stripe on loopback, for development without an account at Stripe. Nothing is charged."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=18000)
        parser.add_argument(
            "--print-environment", action="store_true", help="Print the STRIPE_ variables that lead here, and end."
        )

    def handle(self, *, port: int, print_environment: bool, **options: Any) -> None:
        _refuse_outside_development()
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        state = settings.DATA_DIR / STATE
        state.touch(mode=0o600)
        if print_environment:
            for name, value in environment(Account(state), port).items():
                self.stdout.write(f"{name}={value}")
            return
        try:
            fake = FakeStripe(state, port=port, webhook_url=f"{settings.BASE_URL}/webhooks/stripe")
        except OSError as error:
            raise CommandError(f"The pretend Stripe cannot listen on port {port}: {error.strerror}.") from error
        self.stdout.write(f"A pretend Stripe, which charges nothing: {fake.account.address}/")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with contextlib.suppress(KeyboardInterrupt):
            fake.serve_forever()


def environment(account: Account, port: int) -> dict[str, str]:
    """What makes the site speak to this account."""
    account.store.close()
    return {
        "STRIPE_API_BASE": f"http://127.0.0.1:{port}",
        "STRIPE_SECRET_KEY": account.api_key,
        "STRIPE_WEBHOOK_SECRET": account.webhook_secret,
        "STRIPE_PRICE_TEAM": ",".join(price_ids("Team")),
        "STRIPE_PRICE_BUSINESS": ",".join(price_ids("Business")),
    }


def _refuse_outside_development() -> None:
    if not settings.DEBUG:
        raise CommandError("The pretend Stripe is for development, with DEBUG=true.")
    if settings.STRIPE_SECRET_KEY:
        raise CommandError("STRIPE_SECRET_KEY is set: the site speaks to Stripe itself, not to a pretend one.")
    if not is_loopback(settings.BASE_URL):
        raise CommandError(
            f"The pretend Stripe serves a site on this machine; DATAXPIPE_BASE_URL is {settings.BASE_URL}."
        )
