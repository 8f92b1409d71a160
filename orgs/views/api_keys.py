"""The keys of an organization: made, rotated and ended by its admins. The text of a key stands in one answer only."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from dataxpipe.pagination import Page, paginate
from dataxpipe.problems import Conflict, NotFound, ValidationFailed
from orgs.audit import Action
from orgs.forms.api_keys import NewKeyForm, RevokeKeyForm, RotateKeyForm
from orgs.models import ApiKey, ApiKeyUse, AuditEvent
from orgs.permissions import Role, requires
from orgs.proof import recently_proven
from orgs.redirects import safe_next
from orgs.requests import OrganizationRequest
from orgs.services import api_keys as keys
from orgs.services.key_callers import recent_callers, starts_after
from orgs.services.key_flags import FLAGS, flagged

NEW_FOR = datetime.timedelta(days=7)
SOON = datetime.timedelta(days=14)
KEY_ACTIONS = [action.value for action in Action if action.value.startswith("api_key.")]


@dataclass(frozen=True, slots=True)
class KeyRow:
    api_key: Any
    last_use: ApiKeyUse | None
    is_over_age: bool

    @property
    def has_creator_left(self) -> bool:
        """While the key works, somebody who left may still have it."""
        return bool(self.api_key.is_usable and self.api_key.has_creator_left)

    @property
    def state(self) -> str:
        """`active`, `new`, `expires soon`, `rotating`, `expired` or `revoked`."""
        key, now = self.api_key, timezone.now()
        if key.status != "active":
            return str(key.status)
        if key.expires_at is not None and key.expires_at < now + SOON:
            return "expires soon"
        return "new" if key.last_used_at is None and key.created_at > now - NEW_FOR else "active"


@requires(Role.ADMIN)
@recently_proven(panels=("new", "rotate", "revoke"))
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: OrganizationRequest) -> HttpResponse:
    """The list; `?new`, `?rotate=` and `?revoke=` open a panel beside it; a POST makes a key."""
    if request.method == "POST":
        return _create(request)
    if "rotate" in request.GET:
        return _rotate_panel(request, _key(request, request.GET["rotate"]), RotateKeyForm())
    if "revoke" in request.GET:
        api_key = _key(request, request.GET["revoke"])
        return _page(request, panel="revoke", chosen=api_key, form=RevokeKeyForm(name=api_key.name))
    if "new" in request.GET:
        return _page(request, panel="new", form=NewKeyForm(max_age=request.organization.max_key_age))
    return _page(request)


@requires(Role.ADMIN)
@recently_proven
@never_cache
@require_POST
def rotate_api_key(request: OrganizationRequest, pk: str) -> HttpResponse:
    api_key, form = _key(request, pk), RotateKeyForm(request.POST)
    if not form.is_valid():
        return _rotate_panel(request, api_key, form, status=400)
    overlap = datetime.timedelta(seconds=form.cleaned_data["overlap_seconds"])
    try:
        issued = keys.rotate_api_key(api_key=api_key, actor=request.actor, overlap=overlap, created_by=request.user)
    except Conflict as refusal:
        return _refused(request, refusal)
    return _page(request, issued=issued, was_rotated=True)


@requires(Role.ADMIN)
@recently_proven
@require_POST
def end_key_overlap(request: OrganizationRequest, pk: str) -> HttpResponse:
    try:
        api_key = keys.end_overlap(api_key=_key(request, pk), actor=request.actor)
    except Conflict as refusal:
        return _refused(request, refusal)
    messages.success(request, f"{api_key.hint} has stopped working. Its successor goes on.")
    return redirect("api_keys", slug=request.organization.slug)


@requires(Role.ADMIN)
@recently_proven
@require_POST
def revoke_api_key(request: OrganizationRequest, pk: str) -> HttpResponse:
    """Asks for the key's name: what still uses it fails at its next request."""
    api_key = _key(request, pk)
    form = RevokeKeyForm(request.POST, name=api_key.name)
    if not form.is_valid():
        return _page(request, panel="revoke", chosen=api_key, form=form, status=400)
    keys.revoke_api_key(api_key=api_key, actor=request.actor)
    messages.success(request, f"{api_key.name} ({api_key.hint}) is revoked.")
    return redirect(safe_next(request, reverse("api_keys", kwargs={"slug": request.organization.slug})))


def _create(request: OrganizationRequest) -> HttpResponse:
    form = NewKeyForm(request.POST, max_age=request.organization.max_key_age)
    if not form.is_valid():
        return _page(request, panel="new", form=form, status=400)
    try:
        issued = keys.create_api_key(
            name=form.cleaned_data["name"], limits=form.limits(), actor=request.actor, created_by=request.user
        )
    except ValidationFailed as refusal:
        form.add_refusals(refusal)
        return _page(request, panel="new", form=form, status=400)
    return _page(request, issued=issued)


def _rotate_panel(
    request: OrganizationRequest, api_key: ApiKey, form: RotateKeyForm, *, status: int = 200
) -> HttpResponse:
    return _page(
        request,
        panel="rotate",
        chosen=api_key,
        form=form,
        callers=recent_callers(api_key),
        late_starts=starts_after(api_key, timezone.now() + keys.DEFAULT_OVERLAP),
        status=status,
    )


def _refused(request: OrganizationRequest, refusal: Conflict) -> HttpResponse:
    messages.error(request, refusal.detail)
    return redirect("api_keys", slug=request.organization.slug)


def _page(request: OrganizationRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    page = _listed(request)
    last_uses = _last_uses(page.rows)
    max_age = request.organization.max_key_age
    rows = [KeyRow(key, last_uses.get(key.pk), key.is_over_age(max_age)) for key in page.rows]
    events = AuditEvent.objects.filter(action__in=KEY_ACTIONS).order_by("-id").as_rows()[:6]
    context |= {"nav": "settings", "rows": rows, "page": page, "events": events, "flag": _flag(request)}
    response = render(request, "orgs/api_keys.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _listed(request: OrganizationRequest) -> Page:
    parameters = QueryDict(mutable=True)
    if cursor := request.GET.get("cursor"):
        parameters["cursor"] = cursor
    if flag := _flag(request):
        parameters["flag"] = flag
    return paginate(
        flagged(request.organization, _flag(request)).without_past_exchanges().with_creator_left(),
        order=["-created_at", "-id"],
        parameters=parameters,
        owner=request.organization.pk,
        path=reverse("api_keys", kwargs={"slug": request.organization.slug}),
    )


def _flag(request: OrganizationRequest) -> str | None:
    flag = request.GET.get("flag")
    return flag if flag in FLAGS else None


def _last_uses(api_keys: list[ApiKey]) -> dict[uuid.UUID, ApiKeyUse]:
    uses = ApiKeyUse.objects.filter(api_key__in=api_keys).order_by("api_key_id", "-last_used_at").distinct("api_key_id")
    return {use.api_key_id: use for use in uses}


def _key(request: OrganizationRequest, pk: str) -> ApiKey:
    api_key = request.organization.api_keys.named(pk).first()
    if api_key is None:
        raise NotFound("No key of this organization has this id.")
    return api_key
