"""Keys of operators: made and ended on the server, kept as a digest, and no use at any tenant's address."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import ProgrammingError, connection, transaction

from orgs import keys
from orgs.models import PlatformEvent, PlatformKey
from tests.conftest import ApiClient
from tests.routes import every_route
from tests.routes.calls import call

TENANT_API = [r for r in every_route() if r.is_api and r.access.needs_login and not r.access.is_for_operators]


def run(*args, **options):
    out = StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def text(db):
    return run("issue_platform_key", name="terraform").strip()


def test_a_key_is_all_that_is_printed_and_only_its_digest_is_kept(text):
    assert keys.is_well_formed_platform_key(text)
    assert not keys.is_well_formed(text)
    key = PlatformKey.objects.get()
    assert bytes(key.digest) == keys.digest(text)
    assert key.hint == f"{text[:17]}…{text[-4:]}"
    assert text not in str(list(PlatformKey.objects.values())) + str(list(PlatformEvent.objects.values()))


def test_making_and_ending_are_remembered(text):
    run("revoke_platform_key", "terraform")
    run("revoke_platform_key", str(PlatformKey.objects.get().pk))
    hint = str(PlatformKey.objects.get())
    assert list(PlatformEvent.objects.order_by("id").values_list("action", "target_label")) == [
        ("platform_key.issued", hint),
        ("platform_key.revoked", hint),
    ]


def test_the_list_shows_hints_and_times(text):
    line = run("list_platform_keys").strip().split("\t")
    key = PlatformKey.objects.get()
    assert line[:3] == [str(key.pk), key.hint, "terraform"]
    assert line[4:] == ["-", "-"]


def test_one_working_key_a_name(text):
    with pytest.raises(CommandError, match="works already"):
        run("issue_platform_key", name="terraform")
    run("revoke_platform_key", "terraform")
    assert run("issue_platform_key", name="terraform")


def test_what_is_no_key_is_not_revoked(db):
    with pytest.raises(CommandError, match="There is no platform key nobody"):
        run("revoke_platform_key", "nobody")
    with pytest.raises(CommandError):
        run("issue_platform_key", name=" ")


@pytest.mark.parametrize("route", TENANT_API, ids=str)
def test_it_opens_no_address_of_a_tenant(route, acme, text):
    route.prepare(acme)
    client = ApiClient().client
    answers = [
        call(client, route, route.filled(acme), **{"X-API-KEY": key})
        for key in (text, keys.generate(keys.PLATFORM_PREFIX).text, "dxp_platform_made-up")
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({(answer.body, answer.query_count) for answer in answers}) == 1


def test_it_is_refused_in_a_url(text, api):
    response = api.get(f"/api/v1/organizations/me?key={text}")
    assert response.json()["type"] == "/problems/credential-in-query"


@pytest.mark.parametrize("statement", ["UPDATE {} SET action = action", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_operators_did_cannot_be_changed(text, statement):
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format("orgs_platformevent"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", ["UPDATE {} SET action = action", "DELETE FROM {}"])
def test_not_even_by_the_owner_of_the_table(statement):
    run("issue_platform_key", name="terraform")
    with (
        connection.as_owner(),
        pytest.raises(ProgrammingError, match="insert-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format("orgs_platformevent"))
