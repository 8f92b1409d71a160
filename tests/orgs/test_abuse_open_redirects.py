"""Nothing that takes an address to go on to leads to another site, however the address is written."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import pytest
from django.shortcuts import redirect
from django.test import Client
from django.utils import timezone

from orgs.models import Session
from orgs.oidc import OidcBackend, OidcRequestView
from orgs.services.invitations import digest_of
from orgs.views.oidc import STATES
from tests.conftest import PersonClient, browser_of
from tests.factories import ApiKeyFactory, InvitationFactory, MembershipFactory, UserFactory
from tests.orgs.second_factors import phone_of

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"

# What browsers, proxies and frameworks have been seen to take for another host, or to run.
VECTORS = [
    # schemes and hosts
    "https://evil.example/", "http://evil.example", "HTTPS://EVIL.EXAMPLE", "ftp://evil.example/", "file:///etc/passwd",
    "https:evil.example", "https:/evil.example", "https:///evil.example", "http:\\\\evil.example",
    "https:\\evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "javascript://localhost/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "blob:https://evil.example/x", "view-source:x",
    # two slashes, or what is folded into them
    "//evil.example", "///evil.example", "////evil.example/", "/\\evil.example", "\\/evil.example", "\\\\evil.example",
    "\\evil.example", "/\\/evil.example", "//\\evil.example", "/\\\\evil.example", "//evil.example\\@localhost",
    # dropped on the way: tabs, line ends, blanks, other controls
    "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\r\n/evil.example", "\t//evil.example",
    "\n//evil.example", " //evil.example", "/ /evil.example", "/\x00/evil.example", "\x00//evil.example",
    "/\x0b/evil.example", "/\x0c/evil.example", "/\x1f/evil.example", "/\x7f/evil.example", "h\nttps://evil.example",
    # who is the host
    "//user@evil.example", "//localhost@evil.example", "https://localhost@evil.example", "https://localhost:x@evil.example",
    "//evil.example:80", "//evil.example#@localhost", "//evil.example?@localhost", "//localhost.evil.example",
    "//[::1", "http://[::1", "//[evil.example]", "//2130706433", "//0x7f.1", "//evil%2eexample", "//evil.example%2f..",
    # no path at all
    "evil.example", "@evil.example", ".evil.example", "?next=//evil.example", "#//evil.example", "../evil.example", "",
    # header injection
    "/\r\nLocation: https://evil.example", "/\r\nSet-Cookie: a=b", "/ok\nX: y",
    # unicode that is normalized into slashes, dots or nothing
    "/\u2028/evil.example\\", "\uff0f\uff0fevil.example", "\u3000//evil.example", "\ufeff//evil.example",
    "\u00a0//evil.example",
    # very long
    "/" + "a" * 3000, "/" * 3000 + "evil.example",
]  # fmt: skip
# These are paths of this site, odd as they are: going on to them must end here, too.
ODD_PATHS = [
    "/%2f%2fevil.example", "/%2f/evil.example", "/%5cevil.example", "/%09/evil.example",
    "/%0d%0aLocation:%20//evil.example",
    "/.//evil.example", "/..//evil.example", "/x/..//evil.example", "/;//evil.example", "/\uff0fevil.example",
    "/\u3002evil.example", "/login?next=//evil.example", "/login?next=%2f%2fevil.example", "/o/acme//evil.example",
    "/?next=https://evil.example", "/#//evil.example", "/@evil.example", "/:80", "/%252f%252fevil.example",
]  # fmt: skip
IDS = [f"{number}: {ascii(vector)[:40]}" for number, vector in enumerate(VECTORS)]


def leads_here(location: str) -> bool:
    """As browsers read it: they drop tabs and line ends, and take a backslash for a slash."""
    read = re.sub(r"[\t\r\n]", "", location).strip("".join(map(chr, range(33)))).replace("\\", "/")
    return read.startswith("/") and not read.startswith("//")


@pytest.fixture
def visitor(db):
    return PersonClient(raise_request_exception=False)


@pytest.fixture
def person(alice):
    alice.set_password(PASSWORD)
    alice.email_confirmed_at = None
    alice.save()
    return alice


def log_in(wanted, visitor, person, acme):
    return visitor.post("/login", {"email": person.email, "password": PASSWORD, "next": wanted})


def log_in_again(wanted, visitor, person, acme):
    return browser_of(person).get(f"/login?next={quote(wanted)}")


def come_in_by_the_identity_provider(wanted, visitor, person, acme):
    """The provider itself is left out: where it leads back to was chosen before the way there began."""
    visitor.get(f"/login/oidc?next={quote(wanted)}")
    session = visitor.session
    session[STATES] = {"state": {"nonce": "nonce", "code_verifier": "verifier"}}
    session.save()
    with patch.object(OidcBackend, "authenticate", return_value=person):
        return visitor.get("/login/oidc/callback?state=state&code=code")


def take_the_second_step(wanted, visitor, person, acme):
    if not person.has_second_factor:
        phone_of(person)
    visitor.post("/login", {"email": person.email, "password": PASSWORD})
    return visitor.post("/login/code", {"code": "123456", "next": wanted})


def take_the_second_step_without_the_first(wanted, visitor, person, acme):
    return visitor.get(f"/login/code?next={quote(wanted)}")


def be_asked_for_the_second_step(wanted, visitor, person, acme):
    if not person.has_second_factor:
        phone_of(person)
    return log_in(wanted, visitor, person, acme)


def choose_theme(wanted, visitor, person, acme):
    return visitor.post("/theme", {"theme": "dark", "next": wanted})


def choose_theme_by_query(wanted, visitor, person, acme):
    return visitor.post(f"/theme?next={quote(wanted)}", {"theme": "dark"})


def have_the_confirmation_sent_again(wanted, visitor, person, acme):
    return browser_of(person).post("/account/confirm", {"next": wanted})


def prove_who_one_is(wanted, visitor, person, acme):
    return browser_of(person).post("/prove", {"password": PASSWORD, "next": wanted})


def remove_a_member(wanted, visitor, person, acme):
    pk = MembershipFactory(organization=acme, role="viewer").pk
    return browser_of(person).post(f"/o/acme/settings/members/{pk}/remove", {"next": wanted})


def revoke_a_key(wanted, visitor, person, acme):
    pk = ApiKeyFactory(organization=acme, name="ci").pk
    return browser_of(person).post(f"/o/acme/settings/api-keys/{pk}/revoke", {"confirmation": "ci", "next": wanted})


def send_a_form_too_late(wanted, visitor, person, acme):
    """The proof asks again and goes back to where the browser says that the form stood."""
    pk = ApiKeyFactory(organization=acme, name="ci").pk
    browser = browser_of(person)
    Session.objects.update(signed_in_at=timezone.now() - datetime.timedelta(hours=1))
    header = wanted.encode("ascii", "ignore").decode()
    referer = re.sub(r"[\r\n\x00]", "", header if ":" in header else f"http://testserver{header}")
    return browser.post(f"/o/acme/settings/api-keys/{pk}/revoke", {"confirmation": "ci"}, headers={"Referer": referer})


DOORS = [
    log_in,
    log_in_again,
    come_in_by_the_identity_provider,
    take_the_second_step,
    take_the_second_step_without_the_first,
    be_asked_for_the_second_step,
    choose_theme,
    choose_theme_by_query,
    have_the_confirmation_sent_again,
    prove_who_one_is,
    remove_a_member,
    revoke_a_key,
    send_a_form_too_late,
]
# Where the code takes such an address, and the door here that tries it.
TAKEN_IN = {
    "orgs/views/accounts.py": 3,
    "orgs/views/api_keys.py": 1,
    "orgs/views/members.py": 1,
    "orgs/views/oidc.py": 1,
    "orgs/views/proof.py": 1,
    "orgs/views/second_factor.py": 2,
    "orgs/views/sign_in.py": 1,
}


def test_there_are_more_than_sixty_vectors():
    assert len(set(VECTORS)) > 60


def test_every_place_that_takes_an_address_is_tried_here():
    sources = [path for app in ("orgs", "catalog", "billing", "dataxpipe") for path in (ROOT / app).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT)): len(re.findall(r"(?<!def )safe_next\(", path.read_text())) for path in sources
    }
    assert {path: count for path, count in found.items() if count} == TAKEN_IN
    readers = re.compile(
        r"""(?:GET|POST|data|headers)(?:\.get\(|\[)\s*["'](next|url|redirect\w*|return\w*|Referer)["']"""
    )
    read = {str(path.relative_to(ROOT)) for path in sources if readers.search(path.read_text())}
    assert read == {"orgs/redirects.py", "orgs/proof.py"}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_no_vector_leads_away(door, visitor, person, acme, monkeypatch):
    monkeypatch.setattr("orgs.services.email_confirmation.send_mail", lambda *args, **kwargs: True)
    monkeypatch.setattr("orgs.views.sign_in.require_code", lambda **step: None)
    monkeypatch.setattr("orgs.views.oidc.is_configured", lambda: True)
    monkeypatch.setattr(OidcRequestView, "get", lambda view, request: redirect("login"))
    for wanted in VECTORS:
        response = door(wanted, visitor, person, acme)
        assert response.status_code == 302, (wanted, response.status_code)
        location = response["Location"]
        assert leads_here(location), (wanted, location)
        assert "evil" not in location, (wanted, location)
        assert len(location) < 2100


def test_no_link_on_the_pages_of_the_second_factor_leads_away(person):
    phone_of(person)
    browser = browser_of(person)
    for wanted in VECTORS[::8]:
        for page in (
            browser.get(f"/account/second-factor?move&next={quote(wanted)}"),
            browser.post("/account/second-factor/codes", {"next": wanted}),
        ):
            assert page.status_code == 200
            assert leads_here(page.context["next"]), wanted


@pytest.mark.parametrize("wanted", ODD_PATHS)
def test_an_odd_path_of_this_site_ends_on_this_site(wanted, visitor, person):
    """Every hop is looked at, as the login of somebody who is logged in already goes on by itself."""
    browser = browser_of(person)
    address = f"/login?next={quote(wanted)}"
    for _ in range(6):
        response = browser.get(address)
        if response.status_code not in {301, 302, 303, 307, 308}:
            break
        address = response["Location"]
        assert leads_here(address), address
    assert response.status_code in {200, 400, 404}


@pytest.mark.parametrize(
    "path",
    ["//evil.example/signup", "//evil.example", "///evil.example/login/", "/%5cevil.example/", "//signup/", "//login/"],
)
def test_a_doubled_slash_in_the_address_itself_leads_nowhere_else(path, db):
    response = Client(raise_request_exception=False).get("/", PATH_INFO=path)
    assert response.status_code in {200, 301, 302, 400, 404}
    if response.status_code in {301, 302}:
        assert leads_here(response["Location"])


@pytest.mark.parametrize("path", ["/o/acme//evil.example", "/o/acme/?x=//evil.example", "/o//evil.example/"])
def test_the_login_is_asked_with_a_path_of_this_site(path, db):
    response = Client(raise_request_exception=False).get(path)
    assert response.status_code in {302, 404}
    if response.status_code == 302:
        assert response["Location"].startswith("/login?next=/o/")


def test_an_invitation_leads_back_to_itself_alone(visitor, acme):
    UserFactory(email="invited@example.com")
    token = "x" * 43
    InvitationFactory(organization=acme, email="invited@example.com", digest=digest_of(token))
    page = visitor.get(f"/invitations/{token}?next=//evil.example").content.decode()
    links = re.findall(r'(?:href|action)="([^"]*)"', page)
    assert f"/login?next=/invitations/{token}" in links
    assert not [link for link in links if "evil" in link]
