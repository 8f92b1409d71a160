"""As many further pipelines as a load test asks for: layers in which each one reads what two earlier ones wrote."""

from __future__ import annotations

from catalog.demo.stories import OWNERS, Story

DOMAINS = ("ecommerce", "finance", "logistics", "marketing", "customer")
NOUNS = ("orders", "payments", "shipments", "sessions", "accounts", "stock", "offers", "tickets", "prices", "claims")
VERBS = ("import", "clean", "daily", "hourly", "report", "features", "export", "audit")
SCHEDULES = ("0 6 * * *", "30 5 * * *", "0 */4 * * *", "15 7 * * 1-5", "45 * * * *", "0 3 * * 1")


def load_stories(count: int) -> list[Story]:
    return [_story(number) for number in range(count)]


def _story(number: int) -> Story:
    domain, noun, verb = DOMAINS[number % 5], NOUNS[number // 5 % 10], VERBS[number // 7 % 8]
    reads = f"pg:{domain}.{noun}_{number % 40}"
    if number >= 20:
        reads = f"bq:load.t{number // 2} bq:load.t{number // 3}"
    return Story(
        f"{noun}_{verb}_{number:05}", OWNERS[number % 5], f"{noun.capitalize()} for {domain}, part {number}",
        SCHEDULES[number % 6], f"{domain} load" + (" tier-1" if number % 9 == 0 else ""), reads, f"bq:load.t{number}",
        2 + number % 13, 1000 * (1 + number % 70), ending="failed" if number % 97 == 0 else "success",
        error="ConnectionResetError: [Errno 104] Connection reset by peer",
    )  # fmt: skip
