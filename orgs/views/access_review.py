"""Who can get in: people, invitations and keys on one page, the longest unused first, each with a button to end it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dataxpipe.csv_download import MAX_ROWS, csv_response
from orgs.models import ApiKey, Membership, Organization
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

SHOWN = 500
HEADER = ("kind", "name", "access", "created_by", "created_at", "last_used_at", "ends_at")


@requires(Role.ADMIN)
@require_safe
def access_review(request: OrganizationRequest) -> HttpResponse:
    """`?format=csv` downloads the same as a file, for whoever has to sign it."""
    organization = request.organization
    if request.GET.get("format") == "csv":
        filename = f"access-{organization.slug}-{timezone.now():%Y-%m-%d}.csv"
        return csv_response(filename, HEADER, _rows(organization))
    context = {
        "nav": "settings",
        "people": _people(organization)[:SHOWN],
        "invitations": organization.invitations.usable().order_by("created_at")[:SHOWN],
        "keys": _keys(organization)[:SHOWN],
        "shown": SHOWN,
        "is_owner": request.actor.role is Role.OWNER,
    }
    return render(request, "orgs/access_review.html", context)


def _people(organization: Organization) -> QuerySet[Membership]:
    longest_away = F("user__last_login").asc(nulls_first=True)
    return organization.memberships.select_related("user").order_by(longest_away, "pk")


def _keys(organization: Organization) -> QuerySet[ApiKey]:
    return organization.api_keys.usable().order_by(F("last_used_at").asc(nulls_first=True), "pk")


def _rows(organization: Organization) -> Iterator[tuple[Any, ...]]:
    for member in _people(organization)[:MAX_ROWS]:
        yield "person", member.user.email, member.role, "", member.created_at, member.user.last_login, None
    for offer in organization.invitations.usable().order_by("created_at")[:MAX_ROWS]:
        yield "invitation", offer.email, offer.role, offer.invited_by_label, offer.created_at, None, offer.expires_at
    for key in _keys(organization)[:MAX_ROWS]:
        access = " ".join(key.scopes)
        maker = key.created_by_label
        yield "api_key", f"{key.name} {key.hint}", access, maker, key.created_at, key.last_used_at, key.expires_at
