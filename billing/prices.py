"""Which price stands for which plan. The plan comes from the price, never from metadata."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from billing.models.subscription import best_plan


def plan_of_prices(price_ids: Iterable[str]) -> tuple[str, str]:
    """The best plan among the prices of a subscription and its price; ("", …) if none of them is listed."""
    price_ids = list(price_ids)
    plans = {price: plan for plan, prices in settings.STRIPE_PRICES.items() for price in prices}
    best = best_plan(plans.get(price, "") for price in price_ids)
    known = [price for price in price_ids if best and plans.get(price) == best]
    return best, next(iter(known or price_ids), "")


def price_of_plan(plan_name: str) -> str:
    """What new subscriptions pay: the first price listed; "" if the plan is not sold here."""
    return next(iter(settings.STRIPE_PRICES.get(plan_name, [])), "")
