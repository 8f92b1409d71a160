"""Keys over their whole life, with a clock that jumps: a model of what must work, against services and authentication.

And a key that was revoked while many use it: from the commit on not one request succeeds.
"""

from __future__ import annotations

import datetime
import threading
import time
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from dataxpipe.problems import NotAuthenticated
from orgs.actors import Actor
from orgs.authentication import authenticate_key
from orgs.models import ApiKey, Membership, Organization, User
from orgs.permissions import Role
from orgs.services.api_keys import (
    KeyAlreadyRotated,
    KeyHasEnded,
    KeyNotRotating,
    Limits,
    create_api_key,
    end_overlap,
    revoke_api_key,
    rotate_api_key,
)
from orgs.services.members import remove_member
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, _member
from tests.factories import ApiKeyFactory, OrganizationFactory

HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
START = datetime.datetime(2027, 1, 4, 6, tzinfo=datetime.UTC)
LIVES = st.sampled_from([None, HOUR, DAY, 30 * DAY, 90 * DAY, 365 * DAY])
OVERLAPS = st.sampled_from([datetime.timedelta(), HOUR, DAY, 7 * DAY, 30 * DAY])
JUMPS = st.sampled_from([datetime.timedelta(seconds=1), HOUR - datetime.timedelta(seconds=1), HOUR, DAY, 31 * DAY])
MAX_AGES = st.sampled_from(["unlimited", "30", "90"])
# Of everything of these tests, so that nothing but the clock decides.
clock = [START]


@dataclass
class ModelKey:
    """What is said of a key in the contract, and nothing of how it is stored."""

    pk: Any
    text: str
    creator: int | None
    created_at: datetime.datetime
    expires_at: datetime.datetime | None
    is_revoked: bool = False
    is_rotated: bool = False

    @property
    def works(self) -> bool:
        return not self.is_revoked and (self.expires_at is None or clock[0] < self.expires_at)

    @property
    def status(self) -> str:
        if self.is_revoked:
            return "revoked"
        if not self.works:
            return "expired"
        return "rotating" if self.is_rotated else "active"


class LifeOfKeys(RuleBasedStateMachine):
    keys: Bundle[ModelKey] = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        clock[0] = START
        self.model: list[ModelKey] = []
        self.max_age: datetime.timedelta | None = None
        self.undone = transaction.atomic()
        self.undone.__enter__()
        self.organization: Organization = OrganizationFactory()
        self.people = [_member(self.organization, name, "owner") for name in ("alice", "ada", "olga")]
        self.members = {person.pk for person in self.people}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)

    @rule(target=keys, life=LIVES, person=st.integers(0, 2))
    def create(self, life: datetime.timedelta | None, person: int) -> Any:
        if self.max_age and life and life > self.max_age:
            return multiple()  # refused, as tests/orgs/test_key_flags.py has it
        life = life or self.max_age
        creator = self.people[person]
        with tenant_scope(self.organization):
            issued = create_api_key(
                name="x",
                limits=Limits(scopes=["catalog:read"], expires_at=clock[0] + life if life else None),
                actor=self._actor(creator),
                created_by=creator,
            )
        return self._remember(issued, creator)

    @rule(target=keys, key=keys, overlap=OVERLAPS, person=st.integers(0, 2))
    def rotate(self, key: ModelKey, overlap: datetime.timedelta, person: int) -> Any:
        creator = self.people[person]
        if not key.works or key.is_rotated:
            with pytest.raises(KeyAlreadyRotated if key.works else KeyHasEnded):
                self._rotate(key, overlap, creator)
            return multiple()
        issued = self._rotate(key, overlap, creator)
        spans = [key.expires_at - key.created_at] if key.expires_at else []
        spans += [self.max_age] if self.max_age else []
        successor = self._remember(issued, creator)
        assert successor.expires_at == (clock[0] + min(spans) if spans else None)
        key.is_rotated = True
        key.expires_at = min(key.expires_at or clock[0] + overlap, clock[0] + overlap)
        return successor

    @rule(key=keys)
    def end_the_overlap(self, key: ModelKey) -> None:
        try:
            with tenant_scope(self.organization):
                end_overlap(api_key=self._row(key), actor=self._actor(self.people[0]))
        except KeyNotRotating:
            assert key.status != "rotating"
        else:
            assert key.status == "rotating"
            key.expires_at = clock[0]

    @rule(key=keys)
    def revoke(self, key: ModelKey) -> None:
        with tenant_scope(self.organization):
            revoke_api_key(api_key=self._row(key), actor=self._actor(self.people[0]))
        key.is_revoked = True

    @rule(key=keys)
    def use(self, key: ModelKey) -> None:
        answer = ApiClient(key.text).get("/api/v1/organizations/me")
        assert answer.status_code == (200 if key.works else 401)

    @rule(jump=JUMPS)
    def time_passes(self, jump: datetime.timedelta) -> None:
        clock[0] += jump

    @rule(days=MAX_AGES)
    def limit_how_long_keys_live(self, days: str) -> None:
        Organization.objects.filter(pk=self.organization.pk).update(settings={"max_key_age_days": days})
        self.organization.refresh_from_db()
        self.max_age = self.organization.max_key_age

    @rule(person=st.integers(1, 2), with_account=st.booleans())
    def creator_leaves(self, person: int, with_account: bool) -> None:
        """Whoever leaves leaves the keys, also when the account goes too."""
        leaver = self.people[person]
        if leaver.pk not in self.members:
            return
        with tenant_scope(self.organization):
            membership = Membership.objects.get(organization=self.organization, user=leaver)
            remove_member(membership=membership, actor=Actor.system("test"))
        self.members.remove(leaver.pk)
        if with_account:
            ApiKey.objects.filter(created_by=leaver).update(created_by=None)

    @invariant()
    def what_must_work_works_and_nothing_else(self) -> None:
        expected = {key.pk for key in self.model if key.works}
        assert set(ApiKey.objects.usable().values_list("pk", flat=True)) == expected
        for key in self.model:
            try:
                found = authenticate_key(key.text, request=RequestFactory().get("/"))
            except NotAuthenticated:
                assert not key.works
            else:
                assert key.works
                assert found.pk == key.pk

    @invariant()
    def what_is_shown_is_true(self) -> None:
        rows = {row.pk: row for row in self.organization.api_keys.with_creator_left()}
        for key in self.model:
            row = rows[key.pk]
            assert row.status == key.status
            assert row.has_creator_left == (key.creator not in self.members)
        left = {key.pk for key in self.model if key.works and key.creator not in self.members}
        assert set(self.organization.api_keys.left_behind().values_list("pk", flat=True)) == left
        is_longer = {
            key.pk
            for key in self.model
            if self.max_age
            and key.works
            and not key.is_rotated
            and (key.expires_at is None or key.expires_at - key.created_at > self.max_age)
        }
        assert set(self.organization.api_keys.over_age(self.max_age).values_list("pk", flat=True)) == is_longer

    def _rotate(self, key: ModelKey, overlap: datetime.timedelta, creator: User) -> Any:
        with tenant_scope(self.organization):
            return rotate_api_key(
                api_key=self._row(key), actor=self._actor(creator), overlap=overlap, created_by=creator
            )

    def _row(self, key: ModelKey) -> ApiKey:
        return self.organization.api_keys.get(pk=key.pk)

    def _actor(self, person: User) -> Actor:
        return Actor(kind="person", id=str(person.pk), label=person.label, role=Role.OWNER)

    def _remember(self, issued: Any, creator: User) -> ModelKey:
        row = ApiKey.objects.get(pk=issued.api_key.pk)
        key = ModelKey(row.pk, issued.text, creator.pk, clock[0], row.expires_at)
        self.model.append(key)
        return key


@pytest.fixture
def virtual_clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: clock[0])


def live(max_examples, step_count):
    settings = hypothesis.settings(max_examples=max_examples, stateful_step_count=step_count, deadline=None)
    run_state_machine_as_test(LifeOfKeys, settings=settings)


def test_a_key_works_exactly_as_long_as_it_should(db, virtual_clock):
    live(max_examples=6, step_count=16)


@pytest.mark.prove
def test_a_key_works_exactly_as_long_as_it_should_over_many_lives(db, virtual_clock):
    live(max_examples=150, step_count=40)


class Caller(threading.Thread):
    """Uses a key without pause, each time on a connection of its own, and notes when it began and what came of it."""

    def __init__(self, text: str) -> None:
        super().__init__(daemon=True)
        self.text, self.uses = text, []
        self.is_revoked = threading.Event()

    def run(self) -> None:
        client = ApiClient(self.text)
        is_last = False
        while not is_last:
            is_last = self.is_revoked.is_set()
            began = time.monotonic()
            self.uses.append((began, client.get("/api/v1/organizations/me").status_code))
        connection.close()


def revoke_under_use(organization, times, users):
    """How many uses were answered well that began before, and after, the revocation was committed."""
    before = after = 0
    for _ in range(times):
        api_key = ApiKeyFactory(organization=organization)
        threads = [Caller(api_key.text) for _ in range(users)]
        for thread in threads:
            thread.start()
        while not all(thread.uses for thread in threads):
            time.sleep(0.001)
        with tenant_scope(organization):
            revoke_api_key(api_key=api_key, actor=Actor.system("test"))
        revoked_at = time.monotonic()
        for thread in threads:
            thread.is_revoked.set()
        for thread in threads:
            thread.join()
            assert {status for _, status in thread.uses} <= {200, 401}
            before += sum(status == 200 for began, status in thread.uses if began < revoked_at)
            after += sum(status == 200 for began, status in thread.uses if began >= revoked_at)
            assert thread.uses[-1][0] >= revoked_at
    return before, after


@pytest.mark.django_db(transaction=True)
def test_no_use_succeeds_that_begins_after_the_key_was_revoked(acme):
    before, after = revoke_under_use(acme, times=20, users=3)
    assert (before >= 60, after) == (True, 0)


@pytest.mark.prove
@pytest.mark.django_db(transaction=True)
def test_of_a_thousand_revoked_keys_none_is_used_again(acme):
    before, after = revoke_under_use(acme, times=1_000, users=3)
    assert (before >= 3_000, after) == (True, 0)
