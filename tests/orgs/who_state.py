"""Who may what, as the database has it: what abuse would want to change."""

from __future__ import annotations

from typing import Any

from orgs.models import ApiKey, Invitation, Membership, Organization, User
from tests.factories.rows import fingerprint

# Counts of requests and refusals go up, whatever was asked.
COUNTS = {"orgs_refusal", "orgs_apikeyuse", "orgs_usagecount", "orgs_usagelevel"}
FACTS: dict[type[Any], tuple[str, ...]] = {
    Organization: ("name", "slug", "plan_name", "status", "stripe_customer_id", "settings"),
    User: ("email", "name", "is_active", "is_staff", "is_superuser"),
    Membership: ("organization__slug", "user__email", "role"),
    Invitation: ("organization__slug", "email", "role", "invited_by__email"),
    ApiKey: ("organization__slug", "name", "scopes", "allowed_cidrs", "allowed_namespaces"),
}


def who_may_what() -> dict[str, list[str]]:
    """Without ids, times and secrets, which are new at every call."""
    return {
        model.__name__: sorted(repr(row) for row in model.objects.values_list(*facts)) for model, facts in FACTS.items()
    }


def everything_of(organization: Any) -> dict[str, Any]:
    """Every row of the organization, and all people, but for what only counts."""
    rows = {table: content for table, content in fingerprint(organization).items() if table not in COUNTS}
    return rows | {"people": sorted(repr(row) for row in User.objects.values_list())}
