import datetime

import pytest
from django.db import OperationalError
from django.utils import timezone

from orgs import tasks, viewsets
from orgs.models import ApiKeyUse
from orgs.services import key_uses
from orgs.services.key_uses import Caller, flush_uses, record_use
from tests.factories import ApiKeyFactory


@pytest.fixture
def api_key(acme):
    return ApiKeyFactory(organization=acme)


AIRFLOW = Caller(namespace="prod", root_name="orders", producer="openlineage-python/1.30", ip_address="10.0.0.1")


def counts(api_key):
    return sorted(ApiKeyUse.objects.filter(api_key=api_key).values_list("namespace", "use_count"))


def test_a_new_caller_is_written_at_once_and_then_counted(api_key):
    for _ in range(5):
        record_use(api_key=api_key, caller=AIRFLOW)
    assert counts(api_key) == [("prod", 1)]
    flush_uses()
    assert counts(api_key) == [("prod", 5)]


def test_half_a_minute_later_the_count_is_written_with_the_next_use(api_key, monkeypatch):
    record_use(api_key=api_key, caller=AIRFLOW)
    record_use(api_key=api_key, caller=AIRFLOW)
    later = timezone.now() + datetime.timedelta(seconds=31)
    monkeypatch.setattr(key_uses.timezone, "now", lambda: later)
    record_use(api_key=api_key, caller=AIRFLOW)
    use = ApiKeyUse.objects.get(api_key=api_key)
    assert (use.use_count, use.last_used_at) == (3, later)
    assert use.first_used_at < later


def test_callers_are_told_apart_also_without_an_address(api_key):
    for caller in (AIRFLOW, Caller(namespace="test"), Caller(namespace="test"), Caller()):
        record_use(api_key=api_key, caller=caller)
    flush_uses()
    assert counts(api_key) == [("", 1), ("prod", 1), ("test", 2)]


def test_two_processes_add_up(api_key):
    record_use(api_key=api_key, caller=AIRFLOW)
    key_uses._counts.clear()
    record_use(api_key=api_key, caller=AIRFLOW)
    assert counts(api_key) == [("prod", 2)]


def test_a_key_remembers_a_thousand_callers_and_goes_on_counting_those(api_key, monkeypatch):
    monkeypatch.setattr(key_uses, "CALLERS_PER_KEY", 3)
    for number in range(5):
        record_use(api_key=api_key, caller=Caller(namespace=f"n{number}"))
    key_uses._counts.clear()
    record_use(api_key=api_key, caller=Caller(namespace="n0"))
    assert counts(api_key) == [("n0", 2), ("n1", 1), ("n2", 1)]


def test_callers_that_went_away_make_room(api_key):
    for namespace in ("gone", "here"):
        record_use(api_key=api_key, caller=Caller(namespace=namespace))
    long_ago = timezone.now() - datetime.timedelta(days=91)
    ApiKeyUse.objects.filter(namespace="gone").update(last_used_at=long_ago)
    tasks.forget_old_key_uses(timestamp=0)
    assert counts(api_key) == [("here", 1)]


def test_memory_is_bounded(api_key, monkeypatch):
    monkeypatch.setattr(key_uses, "REMEMBERED_CALLERS", 2)
    for number in range(5):
        record_use(api_key=api_key, caller=Caller(namespace=f"n{number}"))
    assert len(key_uses._counts) <= 2


def test_every_request_tells_the_client_and_its_address(api):
    api.get("/api/v1/organizations/me", headers={"User-Agent": "curl/8.5 (linux)"})
    use = ApiKeyUse.objects.get(api_key=api.api_key)
    assert (use.producer, use.ip_address) == ("curl/8.5", "127.0.0.1")


def test_a_use_that_cannot_be_counted_does_not_turn_what_was_done_into_a_failure(api, monkeypatch):
    def fail(**kwargs):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(viewsets, "record_use", fail)
    assert api.get("/api/v1/organizations/me").status_code == 200
