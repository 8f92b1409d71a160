from orgs.models import Organization
from tests.factories import OrganizationFactory
from tests.routes import CARE_FOR_PARTS, OPERATE, Id, Route, slug


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

ROUTES = [
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
