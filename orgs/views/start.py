"""The first steps of an organization: a key, a first pipeline, and seeing it arrive."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from orgs.audit import Action
from orgs.models import ApiKeyUse, AuditEvent, Organization
from orgs.permissions import EVERYDAY_SCOPES, Right, Role, require, requires
from orgs.proof import recently_proven
from orgs.requests import OrganizationRequest
from orgs.services.api_keys import IssuedKey, Limits, create_api_key

FIRST_KEY_LIVES = datetime.timedelta(days=365)
ARRIVED = [Action.PIPELINE_REGISTERED.value, Action.PIPELINE_OBSERVED.value]
SNIPPETS = [
    ("curl", "orgs/start/curl.txt"),
    ("GitHub Actions", "orgs/start/github_actions.txt"),
    ("Airflow", "orgs/start/airflow.txt"),
    ("dbt", "orgs/start/dbt.txt"),
    ("Spark", "orgs/start/spark.txt"),
    ("Python", "orgs/start/python.txt"),
]


@requires(Role.VIEWER)
@recently_proven(panels=())
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: OrganizationRequest) -> HttpResponse:
    """Three steps; a POST makes the key, which stands in this one answer."""
    issued = _first_key(request) if request.method == "POST" else None
    context = {
        "nav": "overview",
        "issued": issued,
        "key_count": request.organization.api_keys.usable().count(),
        "snippets": SNIPPETS,
        "base_url": settings.BASE_URL,
        "host": urlsplit(settings.BASE_URL).netloc,
        **arrivals_of(request.organization),
    }
    response = render(request, "orgs/start.html", context)
    if issued:
        response["Cache-Control"] = "no-store"
    return response


@requires(Role.VIEWER)
@never_cache
@require_safe
def arrivals(request: OrganizationRequest) -> HttpResponse:
    """The fragment that asks again until something has arrived."""
    context = {"host": urlsplit(settings.BASE_URL).netloc, **arrivals_of(request.organization)}
    return render(request, "orgs/_arrivals.html", context)


def arrivals_of(organization: Organization) -> dict[str, Any]:
    """The newest pipelines, from the organization's memory, and who used a key last while there are none."""
    arrived = AuditEvent.objects.filter(action__in=ARRIVED).order_by("-id")[:5]
    last_use = None
    if not arrived:
        last_use = ApiKeyUse.objects.filter(organization=organization).order_by("-last_used_at").first()
    return {"arrived": arrived, "last_use": last_use}


def _first_key(request: OrganizationRequest) -> IssuedKey:
    require(request.actor, Right.ADMINISTER)
    lifetime = min(FIRST_KEY_LIVES, request.organization.max_key_age or FIRST_KEY_LIVES)
    limits = Limits(scopes=EVERYDAY_SCOPES, expires_at=timezone.now() + lifetime)
    return create_api_key(name="first-key", limits=limits, actor=request.actor, created_by=request.user)
