import pytest
from django.core import mail

from orgs.models import Membership, Organization, User
from tests.conftest import PersonClient
from tests.factories import UserFactory

FORM = {
    "email": "alice@acme.example",
    "password": "correct horse battery",
    "organization_name": "Acme",
    "slug": "acme",
}


@pytest.fixture
def visitor(db):
    return PersonClient(raise_request_exception=False)


def test_signing_up_leads_in_and_to_the_start_page(visitor):
    response = visitor.post("/signup", FORM)
    assert response.status_code == 302
    assert response["Location"] == "/o/acme/start/"
    assert visitor.get("/o/acme/start/").status_code == 200
    assert Membership.objects.get().role == "owner"


def test_an_upper_case_address_is_the_same_person(visitor):
    visitor.post("/signup", FORM | {"email": " Alice@ACME.example ", "slug": "ACME"})
    assert User.objects.get().email == "alice@acme.example"
    assert Organization.objects.get().slug == "acme"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"email": "alice"}, "valid email"),
        ({"email": ""}, "required"),
        ({"password": "short"}, "too short"),
        ({"password": "1234567890"}, "too common"),
        ({"password": "alice@acme.example"}, "too similar"),
        ({"organization_name": ""}, "required"),
        ({"slug": "api"}, "reserved"),
        ({"slug": "a b"}, "Use 3 to 40"),
        ({"slug": "globex"}, "globex-2"),
    ],
)
def test_what_cannot_be_is_said_at_the_field_and_nothing_is_made(visitor, globex, change, says):
    response = visitor.post("/signup", FORM | change)
    assert response.status_code == 400
    assert says in response.content.decode()
    assert not User.objects.exists()
    assert Organization.objects.count() == 1


def test_a_known_address_is_refused_without_saying_more_than_that(visitor):
    UserFactory(email="alice@acme.example", name="Alice Known")
    text = visitor.post("/signup", FORM).content.decode()
    assert "log in and make the organization from there" in text
    assert "Alice Known" not in text
    assert not Organization.objects.exists()


def test_the_password_is_never_sent_back(visitor):
    assert "correct horse" not in visitor.post("/signup", FORM | {"slug": "api"}).content.decode()


def test_fields_that_are_not_in_the_form_change_nothing(visitor):
    visitor.post("/signup", FORM | {"is_staff": "1", "plan_name": "business", "role": "viewer", "is_superuser": "on"})
    person = User.objects.get()
    assert (person.is_staff, person.is_superuser) == (False, False)
    assert Organization.objects.get().plan_name == "free"


def test_a_line_break_in_a_name_reaches_no_mail_header(visitor, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        visitor.post("/signup", FORM | {"name": "Alice\r\nBcc: everybody@example.com"})
    for message in mail.outbox:
        assert "everybody@example.com" not in str(message.message()["Bcc"])


def test_who_is_in_already_is_led_home(alice_client):
    assert alice_client.get("/signup")["Location"] == "/"
