from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from dataxpipe.postgres.fields import uuid7
from orgs.models import ApiKey, Organization, PlatformEvent, PlatformKey, SupportEntry, User
from tests.factories import ApiKeyFactory, OrganizationFactory, UserFactory
from tests.routes import CARE_FOR_PARTS, OPERATE, SIGNED_IN, STAFF, Id, Route, slug


def part_of(organization):
    """A sub-organization, the same however often it is asked for."""
    found = Organization.objects.filter(parent=organization).first()
    return (found or OrganizationFactory(slug=f"{organization.slug}-part", parent=organization)).slug


def on_business(organization):
    """The object too, which the tests made before."""
    organization.plan_name = "business"
    organization.save()


part = Id(part_of, lambda: "nobody-is-called-this")
NEW = {"slug": "initech", "name": "Initech", "owner_email": "peter@initech.example"}
CONFIRMED = {"confirmation": "I understand this will permanently delete all data of acme"}
LIMITS = {"reason": "Agreed in May", "overrides": [{"resource": "pipelines", "limit": 50}]}


def row_of(model, **fields):
    """The key of a row as it stands in a path: staff see those of every organization, so none is foreign."""

    class Key:
        def __str__(self):
            return str((model.objects.order_by("pk").first() or model.objects.create(**fields)).pk)

    return Key()


def a_job(organization):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (task_name, queue_name, priority, args) VALUES ('mail', 'default', 0, '{}')"
        )


def a_key(organization):
    ApiKeyFactory(organization=organization)


def a_platform_key(organization):
    PlatformKey.objects.get_or_create(digest=b"0" * 32, defaults={"name": "ansible"})


def entered(organization):
    """By somebody else than whoever asks: there is nothing to leave."""
    person, now = UserFactory(is_staff=True), timezone.now()
    SupportEntry.objects.create(
        organization=organization, user=person, reason="A question", entered_at=now, ends_at=now
    )


organization_key = row_of(Organization, slug="acme")
person_key = row_of(User, email="somebody@example.com")
event = {"created_at": timezone.now(), "action": "organization.purged"}
CHANGE, JOBS = "{object_id}/change/", "/admin/procrastinate/procrastinatejob/"
REASON = {"reason": "They asked for it"}

ADMIN = [
    Route("GET /admin/", STAFF),
    Route("GET /admin/jsi18n/", STAFF),
    Route("GET /admin/{app_label}/", STAFF, app_label="orgs"),
    Route("GET /admin/orgs/organization/", STAFF),
    Route("GET /admin/orgs/organization/", STAFF, query={"q": "acme", "status__exact": "active"}),
    Route("GET /admin/orgs/organization/{object_id}/change/", STAFF, object_id=organization_key),
    Route("GET /admin/orgs/organization/{pk}/{act}/", STAFF, pk=organization_key, act="plan"),
    Route("POST /admin/orgs/organization/{pk}/{act}/", STAFF, pk=organization_key, act="suspend", body=REASON),
    Route("GET /admin/orgs/user/", STAFF),
    Route("GET /admin/orgs/user/{object_id}/change/", STAFF, object_id=person_key),
    Route("GET /admin/orgs/user/{pk}/{act}/", STAFF, pk=person_key, act="deactivate"),
    Route("POST /admin/orgs/user/{pk}/{act}/", STAFF, pk=person_key, act="deactivate", body={}, answers=400),
    Route("GET /admin/orgs/apikey/", STAFF),
    Route("GET /admin/orgs/apikey/{object_id}/change/", STAFF, prepare=a_key, object_id=row_of(ApiKey)),
    Route("GET /admin/orgs/platformkey/", STAFF),
    Route(
        "GET /admin/orgs/platformkey/{object_id}/change/", STAFF, prepare=a_platform_key, object_id=row_of(PlatformKey)
    ),
    Route("GET /admin/orgs/platformevent/", STAFF),
    Route("GET /admin/orgs/platformevent/{object_id}/change/", STAFF, object_id=row_of(PlatformEvent, **event)),
    Route("GET /admin/orgs/supportentry/", STAFF),
    Route("GET /admin/orgs/supportentry/{object_id}/change/", STAFF, prepare=entered, object_id=row_of(SupportEntry)),
    Route(f"GET {JOBS}", STAFF),
    Route(
        "GET /admin/procrastinate/procrastinatejob/{object_id}/change/",
        STAFF,
        prepare=a_job,
        object_id=row_of(ProcrastinateJob),
    ),
    # Only the own entry is left: tests/orgs/test_enter_organization.py.
    Route("POST /support/{pk}/leave", SIGNED_IN, pk=uuid7(), answers=404),
]

ROUTES = [
    *ADMIN,
    Route("GET /api/v1/organizations/", CARE_FOR_PARTS),
    Route("POST /api/v1/organizations/", OPERATE, body=NEW),
    Route("GET /api/v1/organizations/{slug}", CARE_FOR_PARTS, slug=slug),
    Route("GET /api/v1/organizations/{slug}", CARE_FOR_PARTS, slug=part),
    Route("PATCH /api/v1/organizations/{slug}", OPERATE, slug="acme", body={"name": "Acme Data"}),
    Route("DELETE /api/v1/organizations/{slug}", OPERATE, slug="acme", body=CONFIRMED),
    Route(
        "POST /api/v1/organizations/{slug}/sub-organizations",
        CARE_FOR_PARTS,
        slug=slug,
        prepare=on_business,
        body={"slug": "acme-east", "name": "Acme East"},
    ),
    Route("PATCH /api/v1/organizations/{slug}/resources", OPERATE, slug="acme", body=LIMITS),
]
