"""The cast (acme on Team: alice owner, bob editor, vera viewer; globex: gary) and clients that speak for it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.test import Client
from django.utils import timezone

from orgs import plans
from orgs.actors import Actor
from orgs.models import ApiKey, Organization, User
from orgs.services import key_uses, refusals
from orgs.services.platform_keys import issue_platform_key
from orgs.services.usage import counts
from orgs.tenancy import is_scope_open
from tests.factories import ApiKeyFactory, MembershipFactory, OrganizationFactory, UserFactory

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """A privileged DATAXPIPE_DB serves as administrator; the tests run as the role derived from it."""
    from django.db import connections

    from dataxpipe.postgres.development import without_privileges

    settings_dict = connections["default"].settings_dict
    settings_dict.update(without_privileges(settings_dict))


@pytest.fixture(autouse=True)
def no_use_is_counted_from_an_earlier_test() -> None:
    key_uses._counts.clear()
    counts._counts.clear()
    refusals._counts.clear()


@pytest.fixture
def limits(settings: Any) -> None:
    """Rates are limited, as they are in the product."""
    settings.RATELIMIT_ENABLE = True


@pytest.fixture
def real_histories() -> None:
    """For tests about how far back an organization sees."""


@pytest.fixture(autouse=True)
def days_that_tests_speak_of_are_shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests tell of fixed days, which in time are older than any plan shows."""
    if "real_histories" not in request.fixturenames:
        monkeypatch.setattr(
            plans, "history_begins", lambda resource: datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
        )


@pytest.fixture(autouse=True)
def no_scope_is_left_open() -> Iterator[None]:
    yield
    assert not is_scope_open()


class ApiClient:
    """Sends JSON to the API with a key, as CI and orchestrators do."""

    def __init__(self, key: str | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"X-API-KEY": key} if key else {}

    def request(self, method: str, path: str, data: Any = None, **kwargs: Any) -> Any:
        assert not is_scope_open(), "a test that keeps a scope open hides a view that forgot its own"
        headers = {**self.headers, **kwargs.pop("headers", {})}
        if data is not None and "content_type" not in kwargs:
            kwargs["content_type"] = "application/json"
        if isinstance(data, dict | list):
            import orjson

            data = orjson.dumps(data)
        return self.client.generic(method, path, data or b"", headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, data: Any = None, **kwargs: Any) -> Any:
        return self.request("POST", path, data, **kwargs)

    def patch(self, path: str, data: Any = None, **kwargs: Any) -> Any:
        return self.request("PATCH", path, data, **kwargs)

    def delete(self, path: str, data: Any = None, **kwargs: Any) -> Any:
        return self.request("DELETE", path, data, **kwargs)


class PersonClient(Client):
    def request(self, **request: Any) -> Any:
        assert not is_scope_open(), "a test that keeps a scope open hides a view that forgot its own"
        return super().request(**request)


@pytest.fixture
def acme(db: None) -> Organization:
    return OrganizationFactory(slug="acme", name="Acme", plan_name="team")


@pytest.fixture
def globex(db: None) -> Organization:
    return OrganizationFactory(slug="globex", name="Globex", plan_name="team")


@pytest.fixture
def free_org(db: None) -> Organization:
    return OrganizationFactory(slug="initech", name="Initech", plan_name="free")


def _member(organization: Organization, name: str, role: str) -> User:
    user = UserFactory(email=f"{name}@{organization.slug}.example", name=name)
    MembershipFactory(organization=organization, user=user, role=role)
    return user


@pytest.fixture
def alice(acme: Organization) -> User:
    return _member(acme, "alice", "owner")


@pytest.fixture
def bob(acme: Organization) -> User:
    return _member(acme, "bob", "editor")


@pytest.fixture
def vera(acme: Organization) -> User:
    return _member(acme, "vera", "viewer")


@pytest.fixture
def gary(globex: Organization) -> User:
    return _member(globex, "gary", "owner")


def api_of(organization: Organization, **fields: Any) -> ApiClient:
    """A client with a key of its own.

    Its last use counts as written already: the clock may reach a new minute between two requests whose queries
    are compared.
    """
    fields = {"last_used_at": timezone.now() + datetime.timedelta(hours=1), **fields}
    api_key: ApiKey = ApiKeyFactory(organization=organization, **fields)
    client = ApiClient(api_key.text)  # type: ignore[attr-defined]
    client.api_key = api_key  # type: ignore[attr-defined]
    return client


@pytest.fixture
def api(acme: Organization) -> ApiClient:
    """acme's key with every scope."""
    return api_of(acme)


@pytest.fixture
def globex_api(globex: Organization) -> ApiClient:
    return api_of(globex)


@pytest.fixture
def free_api(free_org: Organization) -> ApiClient:
    return api_of(free_org)


@pytest.fixture
def anonymous_api() -> ApiClient:
    return ApiClient()


def platform_key(name: str = "terraform") -> str:
    """The text of a new platform key."""
    return issue_platform_key(name=name, actor=Actor.system("tests")).text


def browser_of(user: User) -> PersonClient:
    client = PersonClient(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def alice_client(alice: User) -> PersonClient:
    return browser_of(alice)


@pytest.fixture
def bob_client(bob: User) -> PersonClient:
    return browser_of(bob)


@pytest.fixture
def vera_client(vera: User) -> PersonClient:
    return browser_of(vera)


@pytest.fixture
def gary_client(gary: User) -> PersonClient:
    return browser_of(gary)
