import datetime
import json
import re
import threading

import pytest
from django.core import mail, signing
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orgs import tasks
from orgs.models import AuditEvent, User
from orgs.services import passwords
from orgs.services.passwords import MailServerDown, credential_state, reset_token
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of
from tests.factories import UserFactory

NEW = "a brand new pass phrase"


@pytest.fixture
def visitor(alice):
    return PersonClient(raise_request_exception=False)


def jobs():
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, args FROM procrastinate_jobs ORDER BY id")
        return [(name, json.loads(args)) for name, args in cursor.fetchall()]


def work_off():
    for name, args in jobs():
        assert name == passwords.RESET_TASK
        tasks.mail_reset_link(**args)


def has_password(person, password):
    return User.objects.get(pk=person.pk).check_password(password)


def mailed_link():
    return re.search(r"http://localhost\S*(/reset/\S+)", mail.outbox[-1].body)[1]


def test_the_mailed_link_sets_a_new_password_and_logs_out_everywhere(
    visitor, alice, django_capture_on_commit_callbacks
):
    elsewhere = browser_of(alice)
    visitor.post("/reset", {"email": " Alice@ACME.example "})
    work_off()
    assert mail.outbox[0].to == ["alice@acme.example"]
    assert mailed_link() in mail.outbox[0].alternatives[0].content
    assert "alice@acme.example" in visitor.get(mailed_link()).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert visitor.post(mailed_link(), {"password": NEW})["Location"] == "/login"
    assert has_password(alice, NEW)
    assert elsewhere.get("/account/").status_code == 302
    assert visitor.get("/account/").status_code == 302
    assert mail.outbox[-1].subject == "Your password was changed"
    assert visitor.post("/login", {"email": alice.email, "password": NEW})["Location"] == "/"


def test_it_is_remembered_in_the_organizations_of_the_person(visitor, alice, acme, globex):
    visitor.post(f"/reset/{reset_token(alice)}", {"password": NEW})
    with tenant_scope(acme):
        event = AuditEvent.objects.as_rows().get()
        assert (event["action"], event["label"]) == ("member.password_reset", "alice@acme.example")
        assert event["person__label"] == "alice"
        assert NEW not in str(event)
    with tenant_scope(globex):
        assert not AuditEvent.objects.exists()


def test_a_link_works_once(visitor, alice):
    link = f"/reset/{reset_token(alice)}"
    visitor.post(link, {"password": NEW})
    assert visitor.get(link).status_code == 400
    assert visitor.post(link, {"password": "another pass phrase"}).status_code == 400
    assert has_password(alice, NEW)


@pytest.mark.parametrize("method", ["get", "post"])
def test_forged_old_and_borrowed_links_change_nothing(visitor, alice, bob, method, monkeypatch):
    good = reset_token(alice)
    others = signing.dumps({"user": alice.pk, "state": credential_state(bob)}, salt=passwords.SALT)
    elsewhere = signing.dumps({"user": alice.pk, "state": credential_state(alice)}, salt="another purpose")
    for token in (good[:-2] + "xx", "made-up", others, elsewhere):
        assert getattr(visitor, method)(f"/reset/{token}", {"password": NEW}).status_code == 400
    monkeypatch.setattr(passwords, "VALID_FOR", datetime.timedelta(seconds=-1))
    assert getattr(visitor, method)(f"/reset/{good}", {"password": NEW}).status_code == 400
    assert not has_password(alice, NEW)


def test_a_new_password_or_address_ends_the_links_that_are_out(visitor, alice):
    link = f"/reset/{reset_token(alice)}"
    User.objects.filter(pk=alice.pk).update(email="alice@elsewhere.example")
    assert visitor.get(link).status_code == 400


def test_opening_the_link_changes_nothing(visitor, alice):
    visitor.get(f"/reset/{reset_token(alice)}")
    assert has_password(alice, "correct horse battery")


@pytest.mark.parametrize("password", ["", "short", "1234567890", "alice@acme.example"])
def test_a_weak_password_is_refused_and_the_link_still_works(visitor, alice, password):
    link = f"/reset/{reset_token(alice)}"
    assert visitor.post(link, {"password": password}).status_code == 400
    assert visitor.get(link).status_code == 200


def test_known_unknown_and_closed_addresses_get_the_same_answer_for_the_same_work(visitor):
    UserFactory(email="clara@acme.example", is_active=False)
    answers = []
    for name in ("alice", "nobod", "clara"):
        with CaptureQueriesContext(connection) as queries:
            response = visitor.post("/reset", {"email": f"{name}@acme.example"})
        text = re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', "", response.content.decode())
        statements = [query["sql"].replace(name, "…") for query in queries]
        answers.append((response.status_code, text.replace(name, "…"), statements))
    assert answers[0] == answers[1] == answers[2]
    assert mail.outbox == []
    work_off()
    assert [message.to for message in mail.outbox] == [["alice@acme.example"]]


def test_a_mail_server_that_is_down_is_tried_again(alice, monkeypatch, caplog):
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", lambda self: (_ for _ in ()).throw(OSError))
    with pytest.raises(MailServerDown):
        tasks.mail_reset_link(alice.email)
    assert tasks.mail_reset_link.retry_strategy.max_attempts > 1
    assert "could not be sent" in caplog.text
    assert alice.email not in caplog.text


def test_an_address_is_mailed_once_in_two_minutes_however_often_one_asks(visitor, alice):
    for _ in range(5):
        visitor.post("/reset", {"email": alice.email})
    work_off()
    assert len(mail.outbox) == 1
    User.objects.update(reset_mailed_at=timezone.now() - passwords.MAILED_AGAIN_AFTER)
    tasks.mail_reset_link(alice.email)
    assert len(mail.outbox) == 2


def test_a_mail_that_could_not_be_sent_does_not_count(alice, monkeypatch):
    with monkeypatch.context() as down:
        down.setattr("django.core.mail.EmailMultiAlternatives.send", lambda self: (_ for _ in ()).throw(OSError))
        with pytest.raises(MailServerDown):
            tasks.mail_reset_link(alice.email)
    tasks.mail_reset_link(alice.email)
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_for_one_address_one_is_mailed():
    person = UserFactory(email="alice@acme.example")
    barrier = threading.Barrier(4)

    def send():
        barrier.wait()
        try:
            tasks.mail_reset_link(person.email)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(mail.outbox) == 1


def test_the_link_proves_the_address(visitor, alice):
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    visitor.post(f"/reset/{reset_token(alice)}", {"password": NEW})
    assert User.objects.get(pk=alice.pk).email_confirmed_at is not None


def test_nothing_but_the_password_is_changed(visitor, alice):
    more = {"user": "1", "email": "mallory@evil.example", "is_staff": "on", "name": "Mallory"}
    visitor.post(f"/reset/{reset_token(alice)}", {"password": NEW, **more})
    person = User.objects.get(pk=alice.pk)
    assert (person.email, person.name, person.is_staff) == ("alice@acme.example", "alice", False)


@pytest.mark.parametrize(
    "email", ["", "alice", "alice@acme.example\r\nBcc: all@evil.example", "a@b.example,c@d.example"]
)
def test_what_is_no_address_is_refused(visitor, email):
    assert visitor.post("/reset", {"email": email}).status_code == 400
    assert jobs() == []


def test_a_name_stays_text_in_the_mail(alice):
    User.objects.filter(pk=alice.pk).update(name="<img src=x>\r\nBcc: all@evil.example")
    tasks.mail_reset_link(alice.email)
    message = mail.outbox[0]
    assert "<img" not in message.alternatives[0].content
    assert message.message()["Bcc"] is None


@pytest.mark.parametrize("path", ["/reset", "/reset/x", "/account/password", "/account/email", "/email/x"])
def test_forms_of_other_sites_are_refused(alice, path):
    client = PersonClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(alice)
    assert client.post(path).status_code == 403


def test_the_pages_are_kept_by_no_cache(visitor, alice):
    for path in ("/reset", f"/reset/{reset_token(alice)}"):
        response = visitor.get(path)
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "same-origin"
