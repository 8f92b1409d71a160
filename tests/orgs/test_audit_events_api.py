import pytest

from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.services.audit import seal_pending
from orgs.tenancy import tenant_scope

URL = "/api/v1/audit-events/"
ALICE = Actor(kind="person", id="1", label="alice", ip_address="192.0.2.1", user_agent="Firefox", request_id="r-1")


def remember(organization, *actions, seal=False):
    with tenant_scope(organization):
        for action in actions:
            audit.record(action, ALICE, target=organization, before={"name": "A"}, after={"name": "B"})
        if seal:
            seal_pending()


def listed(api, query=""):
    return [row["action"] for row in api.get(URL + query).json()["results"]]


def test_an_event_tells_who_did_what_to_what(api, acme):
    remember(acme, Action.ORGANIZATION_UPDATED, seal=True)
    row = api.get(URL).json()["results"][0]
    assert row["actor"] == {"kind": "person", "id": "1", "label": "alice"}
    assert row["target"] == {"kind": "organization", "id": str(acme.pk), "label": "acme"}
    assert (row["before"], row["after"]) == ({"name": "A"}, {"name": "B"})
    assert (row["ip_address"], row["user_agent"], row["request_id"]) == ("192.0.2.1", "Firefox", "r-1")
    assert row["sequence"] == 1


def test_the_newest_come_first_and_filters_narrow(api, acme, globex):
    remember(acme, Action.ORGANIZATION_CREATED, Action.MEMBER_ADDED, Action.ORGANIZATION_UPDATED)
    remember(globex, Action.ORGANIZATION_RENAMED)
    assert listed(api) == ["organization.updated", "member.added", "organization.created"]
    assert listed(api, "?action=member.added") == ["member.added"]
    assert listed(api, "?actor_id=2") == []
    assert len(listed(api, f"?target_id={acme.pk}&actor_id=1")) == 3


def test_a_reader_that_goes_on_after_a_sequence_misses_nothing(api, acme):
    remember(acme, Action.ORGANIZATION_CREATED, Action.MEMBER_ADDED, Action.ORGANIZATION_UPDATED, seal=True)
    remember(acme, Action.ORGANIZATION_RENAMED)
    assert listed(api, "?after=0") == ["organization.created", "member.added", "organization.updated"]
    assert listed(api, "?after=2") == ["organization.updated"]
    assert listed(api, "?after=3") == []
    first = api.get(URL + "?after=0&limit=2").json()
    rest = api.get(first["next"].removeprefix("http://testserver")).json()
    assert [row["sequence"] for row in first["results"] + rest["results"]] == [1, 2, 3]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=" + "9" * 19, "action=made.up", "colour=red"])
def test_what_makes_no_sense_is_refused(api, query):
    response = api.get(f"{URL}?{query}")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, query.partition("=")[0])


def test_the_chain_is_verified(api, acme):
    remember(acme, Action.ORGANIZATION_CREATED, seal=True)
    body = api.get(URL + "verify").json()
    assert (body["is_intact"], body["head"], body["bad_sequence"]) == (True, 1, None)


def test_a_list_of_50_events_takes_as_many_queries_as_one_of_1(api, acme, django_assert_num_queries):
    remember(acme, Action.MEMBER_ADDED)
    api.get(URL)  # last use and caller are written once in a while
    # The key with its organization, the scope (savepoint, what was set, set, release, set back), events with all.
    with django_assert_num_queries(7):
        api.get(URL)
    remember(acme, *[Action.MEMBER_ADDED] * 49)
    with django_assert_num_queries(7):
        assert len(listed(api)) == 50
