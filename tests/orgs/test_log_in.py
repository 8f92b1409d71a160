import pytest
from django.conf import settings
from django.test import RequestFactory

from orgs.redirects import safe_next
from tests.conftest import PersonClient
from tests.factories import UserFactory

PASSWORD = "correct horse battery"


@pytest.fixture
def visitor(alice):
    return PersonClient(raise_request_exception=False)


def log_in(client, email="alice@acme.example", password=PASSWORD, **more):
    return client.post("/login", {"email": email, "password": password, **more})


def test_the_right_password_leads_in_whatever_the_case_of_the_address(visitor):
    assert log_in(visitor, email="ALICE@Acme.example")["Location"] == "/"
    assert visitor.get("/o/acme/start/").status_code == 200


def test_wrong_password_unknown_address_and_closed_account_are_answered_alike(visitor):
    UserFactory(email="closed@acme.example", is_active=False)
    answers = [
        log_in(visitor, password="wrong horse battery"),
        log_in(visitor, email="nobody@acme.example"),
        log_in(visitor, email="closed@acme.example"),
    ]
    assert {answer.status_code for answer in answers} == {400}
    texts = set()
    for answer, email in zip(answers, ["alice", "nobody", "closed"], strict=True):
        text = answer.content.decode().replace(f"{email}@acme.example", "…")
        texts.add(text[text.index("<form class") : text.index("</form>", text.index("<form class"))][200:])
    assert len({text.partition('name="email"')[2] for text in texts}) == 1


def test_an_unknown_address_costs_a_password_hash_too(visitor, monkeypatch):
    hashed = []
    monkeypatch.setattr("orgs.models.User.set_password", lambda self, raw: hashed.append(raw))
    log_in(visitor, email="nobody@acme.example")
    assert hashed == [PASSWORD]


def test_the_session_gets_a_new_key_on_the_way_in(visitor):
    visitor.get("/login")
    session = visitor.session
    session["planted"] = "yes"
    session.save()
    before = session.session_key
    log_in(visitor)
    assert visitor.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert visitor.session.session_key != before


def test_the_page_one_wanted_is_opened(visitor):
    wanted = visitor.get("/o/acme/start/")["Location"]
    assert wanted == "/login?next=/o/acme/start/"
    assert 'value="/o/acme/start/"' in visitor.get(wanted).content.decode()
    assert log_in(visitor, next="/o/acme/start/")["Location"] == "/o/acme/start/"


ELSEWHERE = [
    "//evil.example", "///evil.example", "////evil.example", "https://evil.example", "http:evil.example",
    "https:/evil.example", "https:///evil.example", "\\\\evil.example", "/\\evil.example", "\\/evil.example",
    "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", "\t//evil.example", " //evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "evil.example", "@evil.example",
    "/%0d%0aLocation:https://evil.example\r\n", "//evil.example/%2f..", "/\x00/evil.example", "/\x0b/evil.example",
    "//google.com%2f@evil.example", "///\\evil.example", "https://localhost@evil.example", "//user@evil.example",
    "file:///etc/passwd", "ftp://evil.example", "/ok\\..\\evil", "", "   ", "?next=//evil.example", "#//evil.example",
    "http://[::1", "//[evil", "/ok with blank",
]  # fmt: skip


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_nobody_is_led_elsewhere(wanted):
    for request in (
        RequestFactory().post("/login", {"next": wanted}),
        RequestFactory().get("/login", {"next": wanted}),
    ):
        assert safe_next(request, "/home") == "/home"


@pytest.mark.parametrize("wanted", ["/", "/o/acme/", "/o/acme/pipelines/?tag=pii&q=a%20b", "/o/acme/#top", "/%2f%2fx"])
def test_pages_of_this_site_are_fine(wanted):
    assert safe_next(RequestFactory().post("/login", {"next": wanted}), "/home") == wanted


@pytest.mark.parametrize("path", ["/login", "/theme"])
def test_forms_do_not_lead_elsewhere_either(visitor, path):
    body = {"email": "alice@acme.example", "password": PASSWORD, "next": "//evil.example"}
    assert visitor.post(path, body)["Location"] == "/"


def test_logging_out_ends_the_session(alice_client):
    before = alice_client.cookies[settings.SESSION_COOKIE_NAME].value
    assert alice_client.get("/logout").status_code == 405
    assert alice_client.post("/logout")["Location"] == "/login"
    alice_client.cookies[settings.SESSION_COOKIE_NAME] = before
    assert alice_client.get("/account/")["Location"].startswith("/login")


@pytest.mark.parametrize("path", ["/login", "/signup", "/logout", "/theme", "/account/confirm", "/organizations/new"])
def test_forms_of_other_sites_are_refused(alice, path):
    client = PersonClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(alice)
    assert client.post(path, {"theme": "dark"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["start/", "settings/", "settings/address", "settings/api-keys/", "settings/api-keys/x/rotate",
     "settings/api-keys/x/end-overlap", "settings/api-keys/x/revoke"],
)  # fmt: skip
def test_forms_of_other_sites_are_refused_inside_an_organization_too(alice, path):
    client = PersonClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(alice)
    assert client.post(f"/o/acme/{path}").status_code == 403


def test_login_pages_are_kept_by_no_cache(visitor):
    assert "no-store" in visitor.get("/login")["Cache-Control"]


@pytest.mark.parametrize(("theme", "kept"), [("dark", "dark"), ("light", "light"), ("system", ""), ("x;evil", "")])
def test_a_theme_is_kept_in_a_cookie(visitor, theme, kept):
    response = visitor.post("/theme", {"theme": theme, "next": "/login"})
    assert response["Location"] == "/login"
    assert response.cookies["dxp_theme"].value == kept
    page = visitor.get("/login").content.decode()
    assert (f'data-bs-theme="{kept}"' in page) is bool(kept)
