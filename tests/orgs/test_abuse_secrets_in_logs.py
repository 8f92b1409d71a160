"""No mailed link and no key can be read in a log line, whichever library writes it."""

from __future__ import annotations

import io
import logging
import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dataxpipe import gunicorn
from dataxpipe.logs import DiscreetFormatter, without_secrets
from tests.conftest import api_of

TOKEN = "Zk3-e8_fQ2vYw1nR5tLc0sXbA7dGhJm4pKuViOoNqEy"


def mailed_routes() -> list[str]:
    """Addresses that end in a token, with one."""
    found = []
    pending = [(get_resolver().url_patterns, "/")]
    while pending:
        patterns, prefix = pending.pop()
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                pending.append((pattern.url_patterns, path))
            elif isinstance(pattern, URLPattern) and "<token>" in path:
                found.append(path.replace("<token>", TOKEN))
    return sorted(found)


@pytest.fixture
def written():
    """What the log of the product holds in the end."""
    [handler] = [each for each in logging.getLogger().handlers if isinstance(each.formatter, DiscreetFormatter)]
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def test_there_are_mailed_links():
    assert [path.rpartition("/")[0] for path in mailed_routes()] >= ["/confirm", "/email", "/invitations", "/reset"]


@pytest.mark.parametrize("path", mailed_routes(), ids=lambda path: path.rpartition("/")[0])
def test_a_form_without_its_token_leaves_a_line_without_the_link(path, db, written):
    """Django writes the address of every form it refuses."""
    response = Client(enforce_csrf_checks=True, raise_request_exception=False).post(path, {"password": "x"})
    assert response.status_code == 403
    assert "Forbidden" in written.getvalue()
    assert "[hidden]" in written.getvalue()
    assert TOKEN not in written.getvalue()


@pytest.mark.parametrize("path", [f"/invitations/{TOKEN}", f"/invitations/{TOKEN}/", f"//invitations/{TOKEN}"])
def test_a_page_that_breaks_leaves_a_traceback_without_the_link(path, db, written, monkeypatch):
    def broken(token: str) -> None:
        raise RuntimeError(f"no page at /invitations/{token}")

    monkeypatch.setattr("orgs.views.invitations.invitation_of_token", broken, raising=True)
    Client(raise_request_exception=False).get(path)
    assert TOKEN not in written.getvalue()
    if path == f"/invitations/{TOKEN}":
        assert "Internal Server Error: /invitations/[hidden]" in written.getvalue()
        assert "RuntimeError: no page at /invitations/[hidden]" in written.getvalue()


def test_a_key_in_an_address_or_a_header_is_in_no_line(acme, written):
    text = api_of(acme).api_key.text
    client = Client(raise_request_exception=False, headers={"X-API-KEY": text})
    for path in (f"/api/v1/pipelines/?api_key={text}", f"/api/v1/pipelines/{text}", f"/o/{text}/", f"/problems/{text}"):
        client.get(path)
        client.post(path, {"key": text})
    Client(raise_request_exception=False, headers={"Host": text}).get("/login")
    assert text not in written.getvalue()
    logging.getLogger("anything").error("refused %s", {"key": text})
    assert "'dxp_[hidden]'" in written.getvalue()
    assert text not in written.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        f"Forbidden (CSRF cookie not set.): /reset/{TOKEN}",
        f"Error handling request /confirm/{TOKEN}?x=1",
        f'GET "http://localhost:8000/email/{TOKEN}" 200',
        f"Not Found: /invitations/{TOKEN}/",
        f"whsec_{TOKEN} and sk_live_{TOKEN} and rk_test_{TOKEN}",
        f"dxp_platform_{TOKEN}",
    ],
)
def test_whatever_library_writes_it(line):
    assert TOKEN not in without_secrets(line)
    assert "[hidden]" in without_secrets(line)


@pytest.mark.parametrize(
    "line",
    [
        "DELETE /api/v1/invitations/0190-ab",
        "POST /o/acme/settings/invitations/12/revoke",
        "/account/email",
        "/reset",
        "dxp_",
    ],
)
def test_what_is_no_secret_is_left(line):
    assert without_secrets(line) == line


def test_every_logger_writes_through_the_one_handler():
    own = [
        (name, handler)
        for name, found in logging.root.manager.loggerDict.items()
        for handler in getattr(found, "handlers", [])
        if not isinstance(handler, logging.NullHandler)
        and not isinstance(handler.formatter, DiscreetFormatter)
        and not re.match(r"_pytest\.", type(handler).__module__)
    ]
    assert own == []


def test_gunicorn_writes_through_it_too():
    class Server:
        class log:  # noqa: N801
            error_fmt, access_fmt, datefmt = "%(message)s", "%(message)s", None
            error_log, access_log = logging.Logger("error"), logging.Logger("access")

    stream = io.StringIO()
    for log in (Server.log.error_log, Server.log.access_log):
        log.addHandler(logging.StreamHandler(stream))
    gunicorn.on_starting(Server)
    Server.log.error_log.error("Error handling request %s", f"/invitations/{TOKEN}")
    Server.log.access_log.info("GET /reset/%s", TOKEN)
    assert stream.getvalue().splitlines() == ["Error handling request /invitations/[hidden]", "GET /reset/[hidden]"]
