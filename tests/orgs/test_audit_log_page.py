import datetime
import re

from django.utils import timezone

from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import AuditEvent, AuditPerson
from orgs.services.audit import seal_pending
from orgs.tenancy import tenant_scope

URL = "/o/acme/settings/audit/"
ALICE = Actor(kind="person", id="1", label="alice", ip_address="192.0.2.1", user_agent="Firefox", request_id="r-1")


def remember(organization, *actions, seal=False, **fields):
    with tenant_scope(organization):
        for action in actions:
            audit.record(action, ALICE, target=organization, **fields)
        if seal:
            seal_pending()


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_it_tells_who_did_what_and_whether_it_is_sealed(alice_client, acme):
    remember(acme, Action.ORGANIZATION_UPDATED, seal=True, before={"name": "A"}, after={"name": "B"})
    remember(acme, Action.MEMBER_ADDED)
    text = text_of(alice_client.get(URL))
    assert "organization.updated alice person · 192.0.2.1 acme" in text
    assert "waiting" in text


def test_an_event_has_a_page_with_all_of_it(alice_client, acme):
    remember(
        acme, Action.ORGANIZATION_UPDATED, Action.MEMBER_ADDED, seal=True, before={"name": "A"}, after={"name": "B"}
    )
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="organization.updated")
    text = text_of(alice_client.get(f"{URL}{event.pk}"))
    assert all(told in text for told in ("Firefox", "r-1", "192.0.2.1", "entry 1"))
    assert "name &quot;A&quot; &quot;B&quot;" in text
    assert "What else happened to it member.added by alice" in text


def test_a_list_is_narrowed_by_who_what_and_when(alice_client, acme):
    remember(acme, Action.ORGANIZATION_UPDATED)
    today = timezone.now().date()

    def found(**query):
        return "organization.updated</code>" in alice_client.get(URL, query).content.decode()

    assert found(actor="1", target=str(acme.pk), since=today, until=today)
    assert not found(actor="2")
    assert not found(target="2")
    assert not found(since=today + datetime.timedelta(days=1))
    assert not found(until=today - datetime.timedelta(days=1))
    assert found(since="nonsense")


def test_each_filter_can_be_taken_off_alone(alice_client, acme):
    remember(acme, Action.ORGANIZATION_UPDATED)
    page = alice_client.get(f"{URL}?actor=1&action=organization.updated").content.decode()
    assert re.findall(r'class="chip on"\s+href="([^"]+)">([^<]+)', page) == [
        (f"{URL}?actor=1", "organization.updated"),
        (f"{URL}?action=organization.updated", "by alice"),
    ]


def test_an_event_of_another_organization_is_unknown(alice_client, globex):
    remember(globex, Action.ORGANIZATION_UPDATED)
    with tenant_scope(globex):
        event = AuditEvent.objects.get()
    assert alice_client.get(f"{URL}{event.pk}").status_code == 404
    assert alice_client.get(f"{URL}nonsense").status_code == 404


def test_an_action_can_be_chosen(alice_client, acme):
    remember(acme, Action.ORGANIZATION_UPDATED, Action.MEMBER_ADDED)
    rows = alice_client.get(URL + "?action=member.added").content.decode().partition("<tbody")[2]
    assert "member.added" in rows
    assert "organization.updated" not in rows
    assert "organization.updated" in alice_client.get(URL + "?action=nonsense").content.decode().partition("<tbody")[2]


def test_older_events_stand_on_the_next_page(alice_client, acme):
    remember(acme, *[Action.MEMBER_ADDED] * 60)
    first = alice_client.get(URL).content.decode()
    following = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    assert first.count("<code>member.added</code>") == 50
    assert alice_client.get(following).content.decode().count("<code>member.added</code>") == 10


def test_the_chain_can_be_verified(alice_client, acme):
    remember(acme, Action.MEMBER_ADDED, seal=True)
    assert "The chain is intact up to entry 1" in text_of(alice_client.get(URL + "?verify=1"))
    with tenant_scope(acme):
        AuditPerson.objects.update(label="bob")
    assert "Entry 1 does not fit: the actor" in text_of(alice_client.get(URL + "?verify=1"))


def test_another_organizations_memory_is_not_here(alice_client, globex):
    remember(globex, Action.ORGANIZATION_RENAMED)
    assert "Nothing yet" in text_of(alice_client.get(URL))


def test_a_page_of_50_events_takes_as_many_queries_as_one_of_1(alice_client, acme, django_assert_num_queries):
    remember(acme, Action.MEMBER_ADDED)
    alice_client.get(URL)
    # Session, person, memberships, the scope (savepoint, what was set, set, release, set back), events with all,
    # what the side counts (2).
    with django_assert_num_queries(11):
        alice_client.get(URL)
    remember(acme, *[Action.MEMBER_ADDED] * 49)
    with django_assert_num_queries(11):
        alice_client.get(URL)


def test_what_was_changed_is_text(alice_client, acme):
    remember(acme, Action.ORGANIZATION_UPDATED, after={"name": "<script>alert(1)</script>"})
    assert "<script>alert" not in alice_client.get(URL).content.decode()
