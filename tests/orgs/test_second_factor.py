"""Setting up, moving and switching off one's own second factor."""

import base64
import datetime
import re

import pytest
from django.core import mail
from django.utils import timezone

from dataxpipe.keyring import UnknownMasterKey
from orgs import one_time_codes
from orgs.models import AuditEvent, SecondFactor, Session
from orgs.services.second_factor import reseal_second_factors
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory
from tests.orgs.second_factors import Phone, phone_of, secret_of

PAGE = "/account/second-factor"


def actions_of(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def set_up(client, query=""):
    token, secret = secret_of(client.get(PAGE + query))
    phone = Phone(secret, [])
    response = client.post(PAGE, {"candidate": token, "code": phone.code()})
    phone.recovery_codes = re.findall(r"\b[a-z2-9]{4}(?:-[a-z2-9]{4}){3}\b", response.content.decode())
    return response, phone


def test_it_counts_once_a_code_has_confirmed_it(bob_client, bob, acme, django_capture_on_commit_callbacks):
    assert not bob.has_second_factor
    with django_capture_on_commit_callbacks(execute=True):
        response, phone = set_up(bob_client)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert len(set(phone.recovery_codes)) == 10
    assert bob.has_second_factor
    assert actions_of(acme) == ["member.second_factor_enabled"]
    assert (mail.outbox[0].to, mail.outbox[0].subject) == (["bob@acme.example"], "Your second factor is on")
    assert bob_client.get("/account/").status_code == 200


def test_the_page_shows_a_qr_code_and_the_same_secret_as_text(bob_client):
    page = bob_client.get(PAGE)
    text, (_, secret) = page.content.decode(), secret_of(page)
    assert 'class="qr"' in text
    assert "style=" not in text[text.index('class="qrbox"') :].partition("</svg>")[0]
    assert one_time_codes.typed(secret) in text
    uri = one_time_codes.provisioning_uri(secret, "bob@acme.example")
    assert uri.startswith("otpauth://totp/DataXPipe:bob%40acme.example?")
    assert base64.b32encode(secret).decode() in uri


def test_each_opening_of_the_page_makes_another_secret(bob_client):
    assert secret_of(bob_client.get(PAGE))[1] != secret_of(bob_client.get(PAGE))[1]


def test_every_other_session_ends(bob_client, bob):
    elsewhere = browser_of(bob)
    set_up(bob_client)
    assert elsewhere.get("/account/")["Location"].startswith("/login")
    assert bob_client.get("/account/").status_code == 200


def test_a_wrong_code_keeps_the_secret_and_changes_nothing(bob_client, bob, acme):
    token, secret = secret_of(bob_client.get(PAGE))
    response = bob_client.post(PAGE, {"candidate": token, "code": "000000"})
    assert response.status_code == 400
    assert "Check that its clock is right" in response.content.decode()
    assert secret_of(response) == (token, secret)
    assert not bob.has_second_factor
    assert actions_of(acme) == []


@pytest.mark.parametrize("candidate", ["", "made-up", "a:b:c"])
def test_a_made_up_secret_is_answered_with_a_new_one(bob_client, bob, candidate):
    response = bob_client.post(PAGE, {"candidate": candidate, "code": "123456"})
    assert response.status_code == 400
    assert "Scan the new code" in response.content.decode()
    assert not bob.has_second_factor


def test_another_persons_secret_is_refused(bob_client, bob, vera_client):
    token, secret = secret_of(vera_client.get(PAGE))
    assert bob_client.post(PAGE, {"candidate": token, "code": Phone(secret, []).code()}).status_code == 400
    assert not bob.has_second_factor


def test_the_secret_is_sealed_for_this_person_and_codes_are_hashed(bob, vera):
    phone = phone_of(bob)
    factor = SecondFactor.objects.get(user=bob)
    assert phone.secret not in bytes(factor.sealed)
    assert one_time_codes.unseal(factor.key_id, bytes(factor.sealed), bob.pk) == phone.secret
    with pytest.raises(Exception, match=r"^$"):
        one_time_codes.unseal(factor.key_id, bytes(factor.sealed), vera.pk)
    assert not set(phone.recovery_codes) & set(factor.recovery_digests)


def test_an_old_master_key_can_be_dropped_after_resealing(bob, settings):
    phone = phone_of(bob)
    old = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = {"new": b"n" * 32, **old}
    assert (reseal_second_factors(), reseal_second_factors()) == (1, 0)
    settings.ENCRYPTION_KEYS = {"new": b"n" * 32}
    factor = SecondFactor.objects.get(user=bob)
    assert one_time_codes.unseal(factor.key_id, bytes(factor.sealed), bob.pk) == phone.secret
    settings.ENCRYPTION_KEYS = old
    with pytest.raises(UnknownMasterKey):
        one_time_codes.unseal(factor.key_id, bytes(factor.sealed), bob.pk)


def test_it_moves_to_another_device_and_only_then_leaves_the_first(bob_client, bob, acme):
    first = phone_of(bob)
    client = browser_of(bob)
    assert "Your second factor is on" in client.get(PAGE).content.decode()
    token, secret = secret_of(client.get(f"{PAGE}?move=1"))
    assert SecondFactor.objects.get(user=bob).recovery_codes_left == 10
    second = Phone(secret, [])
    client.post(PAGE, {"candidate": token, "code": second.code()})
    factor = SecondFactor.objects.get(user=bob)
    assert one_time_codes.unseal(factor.key_id, bytes(factor.sealed), bob.pk) == second.secret
    assert one_time_codes.recovery_digest(first.recovery_codes[0]) not in factor.recovery_digests
    assert actions_of(acme)[-1] == "member.second_factor_moved"


def test_new_recovery_codes_end_the_old_ones(bob, acme):
    phone = phone_of(bob)
    response = browser_of(bob).post(f"{PAGE}/codes")
    assert response.status_code == 200
    factor = SecondFactor.objects.get(user=bob)
    assert factor.recovery_codes_left == 10
    assert one_time_codes.recovery_digest(phone.recovery_codes[0]) not in factor.recovery_digests
    assert actions_of(acme)[-1] == "member.recovery_codes_renewed"


def test_it_can_be_switched_off_where_nobody_needs_it(bob, acme, django_capture_on_commit_callbacks):
    phone_of(bob)
    with django_capture_on_commit_callbacks(execute=True):
        assert browser_of(bob).post(f"{PAGE}/off")["Location"] == "/account/"
    assert not bob.has_second_factor
    assert actions_of(acme)[-1] == "member.second_factor_disabled"
    assert mail.outbox[-1].subject == "Your second factor is off"


def owner(organization):
    return organization.memberships.filter(role="owner").first().user


@pytest.mark.parametrize("why", ["an owner", "staff", "a member where it is required"])
def test_who_needs_it_keeps_it(acme, alice, why):
    person = alice if why == "an owner" else UserFactory(is_staff=why == "staff")
    if why == "a member where it is required":
        strict = OrganizationFactory(slug="strict", settings={"require_second_factor": "yes"})
        MembershipFactory(organization=strict, user=person, role="viewer")
    phone_of(person)
    client = browser_of(person)
    assert "It stays on, because" in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}/off")["Location"] == PAGE
    assert person.has_second_factor


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/codes", f"{PAGE}/off"])
def test_changes_ask_who_is_there_after_ten_minutes(bob_client, path):
    Session.objects.update(signed_in_at=timezone.now() - datetime.timedelta(minutes=11))
    assert bob_client.post(path)["Location"].startswith("/prove")


def test_without_one_there_is_nothing_to_renew_or_to_switch_off(bob_client, acme):
    assert bob_client.post(f"{PAGE}/codes").status_code == 302
    assert bob_client.post(f"{PAGE}/off").status_code == 302
    assert actions_of(acme) == []


def test_codes_are_those_of_rfc_6238():
    """The test vectors of its appendix B, cut to six digits."""
    secret = b"12345678901234567890"
    vectors = {1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    for seconds, code in vectors.items():
        assert one_time_codes.matching_step(secret, code, seconds) == seconds // 30
        assert one_time_codes.matching_step(secret, code, seconds + 30) == seconds // 30
        assert one_time_codes.matching_step(secret, code, seconds + 90) is None
        assert one_time_codes.matching_step(secret, code, seconds - 60) is None
