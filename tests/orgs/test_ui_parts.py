"""The small parts of pages: what they say, and that user text stays text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django import forms
from django.contrib import messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.template import Context, Template
from django.test import RequestFactory

from dataxpipe.errors import problem_page
from dataxpipe.problems import NotFound, PlanLimitReached, ServiceUnavailable
from orgs.models import Organization
from orgs.templatetags import ui

NOW = datetime(2026, 11, 20, 8, 12, 4, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>alert('x')</script>\""


def render(source: str, **context: object) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.01, "0s"),
        (0.42, "0.4s"),
        (0, "0s"),
        (38, "38s"),
        (59.7, "1m 00s"),
        (252, "4m 12s"),
        (3900, "1h 05m"),
        (183_600, "2d 3h"),
        (timedelta(minutes=2), "2m 00s"),
        (None, "\N{EN DASH}"),
    ],
)
def test_durations_read_like_people_say_them(seconds: float | None, words: str) -> None:
    assert ui.duration(seconds) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(minutes=11), "11 min ago"),
        (timedelta(hours=26), "26 h ago"),
        (timedelta(days=4), "4 d ago"),
        (timedelta(days=100), "3 mo ago"),
        (timedelta(days=800), "2 y ago"),
        (timedelta(minutes=-4), "in 4 min"),
    ],
)
def test_times_are_told_by_their_distance(ago: timedelta, words: str) -> None:
    assert ui.relative_words(NOW - ago, NOW) == words


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 11, 20, 16, 10, tzinfo=UTC), "today 16:10"),
        (datetime(2026, 11, 21, 6, 0, tzinfo=UTC), "tomorrow 06:00"),
        (datetime(2026, 11, 19, 23, 59, tzinfo=UTC), "yesterday 23:59"),
        (datetime(2026, 11, 23, 5, 30, tzinfo=UTC), "Mon 05:30"),
        (datetime(2026, 12, 20, 5, 30, tzinfo=UTC), "20 Dec 05:30"),
        (datetime(2027, 11, 20, 5, 30, tzinfo=UTC), "20 Nov 2027"),
    ],
)
def test_times_are_told_by_the_calendar(moment: datetime, words: str) -> None:
    assert ui.calendar_words(moment, NOW) == words


def test_a_time_carries_its_exact_instant() -> None:
    html = ui.ago(datetime(2026, 11, 20, 6, 4, 41, tzinfo=UTC))
    assert 'datetime="2026-11-20T06:04:41Z"' in html
    assert 'title="2026-11-20 06:04:41 UTC"' in html


def test_a_time_that_never_came_has_a_word() -> None:
    assert ">never<" in ui.ago(None)
    assert ">not yet<" in ui.ago(None, "not yet")


@pytest.mark.parametrize(
    ("number", "words"),
    [(980, "980"), (1_200, "1.2k"), (2_000, "2k"), (412_806, "413k"), (999_999, "1M"), (3.4e6, "3.4M")],
)
def test_numbers_are_compact(number: float, words: str) -> None:
    assert ui.compact(number) == words


def test_a_key_shows_its_ends_only() -> None:
    assert ui.key_display("dxp_a1b2", "9xYz") == '<code class="key">dxp_a1b2…9xYz</code>'


def test_a_copy_button_points_at_its_text() -> None:
    html = ui.copy_box("curl example")
    target = re.search(r'data-copy="#([^"]+)"', html)
    assert target
    assert f'<code id="{target[1]}">curl example</code>' in html


def test_a_meter_without_a_maximum_draws_nothing() -> None:
    assert ui.meter(5, None, "pipelines") == ""
    assert 'width="62.0"' in ui.meter(31, 100, "31 percent left", "late")


@pytest.mark.parametrize(
    "html",
    [
        ui.copy_box(HOSTILE),
        ui.code_box(HOSTILE),
        ui.key_display(HOSTILE, HOSTILE),
        ui.meter(1, 2, HOSTILE),
        ui.ago(None, HOSTILE),
    ],
)
def test_user_text_stays_text(html: str) -> None:
    assert "<script" not in html
    assert "'x')</script>\"" not in html


def test_a_notice_escapes_what_the_page_shows_in_it() -> None:
    html = render('{% notice "warning" %}{{ name }}{% endnotice %}', name=HOSTILE)
    assert "<script" not in html
    assert "h-late" in html


class SignUp(forms.Form):
    email = forms.EmailField(help_text="You sign in with it.")
    terms = forms.BooleanField(label="I agree")
    role = forms.ChoiceField(choices=[("viewer", "Viewer")], required=False)


def test_a_field_ties_its_help_and_errors_to_the_control() -> None:
    html = render("{% field form.email %}", form=SignUp({"email": "nobody"}))
    described = re.search(r'aria-describedby="([^"]+)"', html)
    assert described
    for element_id in described[1].split():
        assert f'id="{element_id}"' in html
    assert 'aria-invalid="true"' in html
    assert '<label for="id_email">' in html


def test_a_check_box_stands_before_its_label() -> None:
    html = render("{% field form.terms %}", form=SignUp())
    assert html.index("<input") < html.index("<label")


def test_an_optional_field_says_so() -> None:
    html = render("{% field form.role %}", form=SignUp())
    assert "optional" in html
    assert 'class="form-select"' in html


def with_message(extra_tags: str) -> str:
    request = RequestFactory().get("/")
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    messages.success(request, HOSTILE, extra_tags=extra_tags)
    return render("{% notices %}", request=request)


def test_a_message_can_be_undone_by_a_form() -> None:
    html = with_message("undo:/o/acme/pipelines/orders/restore")
    assert '<form method="post" action="/o/acme/pipelines/orders/restore">' in html
    assert "<script" not in html


@pytest.mark.parametrize("tag", ["undo:https://evil.example/", "undo://evil.example/", "undo:javascript:1"])
def test_undo_never_leaves_the_site(tag: str) -> None:
    assert "Undo" not in with_message(tag)


@pytest.mark.parametrize(
    ("name", "letters"),
    [("alice", "AL"), ("alice.b@x.y", "AB"), ("Bob Builder", "BB"), ("é", "É"), ("@", "")],
)
def test_a_person_has_two_letters(name: str, letters: str) -> None:
    assert ui.initials(name) == letters


def test_every_icon_that_is_used_is_in_the_sprite() -> None:
    symbols = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/img/icons.svg").read_text()))
    used = set()
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text()
        used |= set(re.findall(r'{% icon "([^"]+)"', text))
        used |= {"h-" + state.replace("_", "-") for state in re.findall(r'{% shape "([^"]+)"', text)}
    assert used <= symbols
    assert {
        "h-failing",
        "h-late",
        "h-at-risk",
        "h-running",
        "h-healthy",
        "h-never-run",
        "h-unknown",
    } <= symbols


def test_no_template_has_inline_style_or_script() -> None:
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)", text), template


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_error_pages_need_no_context(status: int) -> None:
    html = Template(f'{{% extends "{status}.html" %}}').render(Context())
    assert f"{status}" in html
    assert "<h1>" in html


class Unreachable:
    """A person who cannot be loaded, as when the database is away."""

    @property
    def is_authenticated(self) -> bool:
        raise AssertionError("the error page asked who is there")


def test_an_error_page_asks_the_database_nothing() -> None:
    request = RequestFactory().get("/")
    request.user = Unreachable()  # type: ignore[assignment]
    for problem in (ServiceUnavailable(), NotFound()):
        response = problem_page(request, problem)
        assert response.status_code == problem.status
        assert "<h1>" in response.content.decode()


def test_a_refusal_for_want_of_room_leads_to_the_plans(acme: Organization) -> None:
    request = RequestFactory().get("/")
    request.organization = acme
    problem = PlanLimitReached("The Free plan allows 3 pipelines.", upgrade_url="/o/acme/settings/billing/")
    page = problem_page(request, problem).content.decode()
    assert "The Free plan allows 3 pipelines." in page
    assert 'href="/o/acme/settings/billing/"' in page


def test_the_theme_is_the_servers_to_write() -> None:
    request = RequestFactory().get("/", headers={"cookie": "dxp_theme=dark"})
    assert b'<html lang="en" data-bs-theme="dark">' in problem_page(request, NotFound()).content
    request = RequestFactory().get("/", headers={"cookie": 'dxp_theme="><script>'})
    assert b"data-bs-theme" not in problem_page(request, NotFound()).content
