"""The pretend account: its keys, its prices, its objects, and the events that tell of their changes."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

from billing.fake_stripe.errors import missing
from billing.fake_stripe.store import Object, Store, new_id, public

# What the client library in constraints.txt speaks.
API_VERSION = "2026-10-28.endive"
HOUR, DAY = 3600, 86_400

# id, plan's name, amount in cents, interval, sold now
PRICES = (
    ("price_team_monthly", "Team", 49_00, "month", True),
    ("price_team_yearly", "Team", 490_00, "year", True),
    ("price_team_legacy", "Team", 39_00, "month", False),
    ("price_business_monthly", "Business", 199_00, "month", True),
    ("price_business_yearly", "Business", 1990_00, "year", True),
)


def price_ids(plan: str) -> list[str]:
    """Ids of a plan's prices, the one that is sold first, as `STRIPE_PRICE_TEAM` lists them."""
    return [identifier for identifier, name, *_ in PRICES if name == plan]


class Account:
    def __init__(self, path: Path | None = None, *, address: str = "", webhook_url: str | None = None) -> None:
        """`address` is where its own pages are; without `webhook_url` events are kept and not sent."""
        self.store = Store(path)
        self.address = address
        self.webhook_url = webhook_url
        self.api_key = self._kept("api_key", f"sk_test_{secrets.token_urlsafe(18)}")
        self.webhook_secret = self._kept("webhook_secret", f"whsec_{secrets.token_urlsafe(24)}")
        self.make_prices()

    def _kept(self, name: str, value: str) -> str:
        """The remembered value, the same at every start."""
        with self.store.transaction():
            kept = self.store.fact(name)
            if kept is None:
                self.store.remember(name, value)
            return str(kept or value)

    def make_prices(self) -> None:
        with self.store.transaction():
            for identifier, plan, amount, interval, is_sold in PRICES:
                if not self.store.find(identifier):
                    product = self._product(plan)
                    self.store.insert(price(identifier, product, amount, interval, created=self.now(), active=is_sold))

    def _product(self, plan: str) -> str:
        identifier = f"prod_{plan.lower()}"
        if not self.store.find(identifier):
            self.store.insert(product(identifier, plan, created=self.now()))
        return identifier

    def now(self) -> int:
        return int(time.time())

    def get(self, kind: str, identifier: str, *, param: str = "id") -> Object:
        """The object; Stripe's 404 for an unknown and for a deleted one."""
        found = self.store.find(identifier, kind)
        if found is None or found.get("deleted"):
            raise missing(kind, identifier, param=param)
        return found

    def create(self, found: Object, *, event: str | None = None) -> Object:
        self.store.insert(found)
        if event:
            self.emit(event, found)
        return found

    def change(self, found: Object, *, event: str, **changes: Any) -> Object:
        """Saves and tells it; a change to what is already so is no change."""
        before = {name: found.get(name) for name, value in changes.items() if found.get(name) != value}
        if before:
            self.store.save({**found, **changes})
            found.update(changes)
            self.emit(event, found, before)
        return found

    def emit(self, kind: str, about: Object, before: Object | None = None) -> Object:
        """An event with a snapshot, to be delivered."""
        data = {"object": public(about)}
        if before is not None and kind.endswith(".updated"):
            data["previous_attributes"] = public(before)
        event = {
            "id": new_id("evt", 24),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1 if self.webhook_url else 0,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.store.insert(event)
        if self.webhook_url:
            self.store.rows("INSERT INTO deliveries (event, next_attempt) VALUES (?, ?)", event["id"], time.time())
        return event

    def forget_switches(self) -> None:
        for name in ("fault", "after_last_attempt"):
            self.store.remember(name, None)

    def reset(self) -> None:
        """As on the first day, for tests; keys stay."""
        with self.store.transaction():
            self.store.clear()
            self.forget_switches()
            self.make_prices()


def product(identifier: str, name: str, *, created: int, **more: Any) -> Object:
    return {
        "id": identifier,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "type": "service",
        "updated": created,
        **more,
    }


def price(identifier: str, product: str, amount: int, interval: str, *, created: int, **more: Any) -> Object:
    return {
        "id": identifier,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": "usd",
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": {
            "interval": interval,
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
        **more,
    }
