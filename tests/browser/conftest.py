"""A real Chromium on a live server. Playwright keeps an event loop running, which Django takes for async code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from orgs.models import Organization, User

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ended with its module: tests of the worker cannot run beside the event loop."""
    if CHROMIUM is None:
        pytest.fail("Chromium is needed for the browser tests: apt-get install chromium")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def visit(chromium: Browser, live_server: Any) -> Iterator[Any]:
    """`visit(javascript=False)` opens a page of its own; what the browser's console complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(**options: Any) -> Page:
        is_scripted = options.pop("javascript", True)
        context = chromium.new_context(base_url=live_server.url, java_script_enabled=is_scripted, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: note(message.type, message.text))
        return page

    def note(kind: str, text: str) -> None:
        # A form that is refused answers 400, which the console calls an error.
        if kind == "error" and "status of 400" not in text:
            complaints.append(text)

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(visit: Any) -> Page:
    return visit()  # type: ignore[no-any-return]


class Watched:
    """Opens pages and remembers what they complained of."""

    def __init__(self, browser: Browser, base_url: str) -> None:
        self.browser, self.base_url = browser, base_url
        self.complaints: list[str] = []
        self.is_muted = False
        self.contexts: list[BrowserContext] = []

    def page(self, *, user: User | None = None, width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = self.browser.new_context(
            base_url=self.base_url, viewport={"width": width, "height": height}, **options
        )
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        if user is not None:
            context.add_cookies([{"name": name, "value": value, "url": self.base_url} for name, value in cookies(user)])
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not self.is_muted:
            self.complaints.append(f"{message.text} at {message.location}")

    @contextmanager
    def muted(self) -> Iterator[None]:
        """While a tool of the tests works in the page, what the policy refuses is the tool's."""
        self.is_muted = True
        yield
        self.is_muted = False

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def cookies(user: User) -> list[tuple[str, str]]:
    """Those of somebody who has logged in."""
    client = Client()
    client.force_login(user)
    return [(name, morsel.value) for name, morsel in client.cookies.items()]


@pytest.fixture
def watched(chromium: Browser, live_server: Any) -> Iterator[Watched]:
    watched = Watched(chromium, live_server.url)
    yield watched
    watched.close()
    assert not watched.complaints, "\n".join(watched.complaints)


@pytest.fixture
def open_page(watched: Watched) -> Callable[..., Page]:
    return watched.page


@pytest.fixture
def shop(transactional_db: None, acme: Organization, alice: User) -> Organization:
    """acme with a few pipelines of the demo: one fails, others are at risk, healthy and never run."""
    from catalog.demo.seeding import seed_pipelines
    from catalog.demo.stories import ACME
    from orgs.tenancy import tenant_scope

    told = {"orders_sync", "revenue_daily", "fx_rates", "customer_360", "seller_scorecard", "carrier_tracking"}
    with tenant_scope(acme):
        seed_pipelines([story for story in ACME if story.name in told], most_runs=20)
    return acme
