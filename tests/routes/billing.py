from django.utils import timezone

from billing.models import StripeEvent, Subscription
from orgs.models import Organization
from tests.routes import ANYBODY, MEMBER, OWN, STAFF, Route
from tests.routes.platform import row_of


def subscribed(organization: Organization) -> None:
    now = timezone.now()
    Subscription.objects.create(
        organization=organization, stripe_id="sub_1", status="active", created_at=now, read_at=now
    )


event = row_of(StripeEvent, event_id="evt_1", type="invoice.paid", occurred_at=timezone.now())

ROUTES = [
    # Believed by its signature alone: tests/billing/test_webhook_signature.py. The tests' server has no secret.
    Route("POST /webhooks/stripe", ANYBODY, answers=503),
    # For people alone, not for keys: tests/billing/test_billing_api.py asks with an owner's token.
    Route("POST /api/v1/billing/checkout", OWN, body={"plan": "team"}, answers=403),
    Route("POST /api/v1/billing/portal", OWN, body={}, answers=403),
    Route("GET /api/v1/billing/subscription", OWN, answers=403),
    Route("GET /admin/billing/stripeevent/", STAFF, query={"state__exact": "quarantined"}),
    Route("GET /admin/billing/stripeevent/{object_id}/change/", STAFF, object_id=event),
    Route("GET /admin/billing/stripeevent/{pk}/{act}/", STAFF, pk=event, act="replay"),
    Route("POST /admin/billing/stripeevent/{pk}/{act}/", STAFF, pk=event, act="replay"),
    Route("GET /admin/billing/subscription/", STAFF),
    Route(
        "GET /admin/billing/subscription/{object_id}/change/", STAFF, prepare=subscribed, object_id=row_of(Subscription)
    ),
    Route("GET /o/{slug}/settings/billing/", MEMBER),
    Route("POST /o/{slug}/settings/billing/checkout", OWN, body={"plan": "business"}),
    Route("POST /o/{slug}/settings/billing/portal", OWN),
]
