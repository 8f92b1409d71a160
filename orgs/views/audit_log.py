"""What an organization remembers: the list with its filters, one event, refusals, the export, and erasure."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dataxpipe.pagination import paginate
from dataxpipe.problems import NotFound
from orgs.forms.audit_log import AuditFilterForm, EraseForm
from orgs.models import AuditEvent, AuditSeal, User
from orgs.permissions import Role, requires
from orgs.proof import recently_proven
from orgs.requests import OrganizationRequest, exports
from orgs.services.audit import verify_chain
from orgs.services.audit_erasure import StillMember, erase_person, former_member
from orgs.services.audit_export import export_audit

EVENTS_ON_A_PAGE = 50
FILTERS = ("action", "actor", "target", "since", "until")


@requires(Role.ADMIN)
@require_safe
def audit_log(request: OrganizationRequest) -> HttpResponse:
    """The newest first, narrowed by what the URL says; `?verify` walks the chain."""
    form = AuditFilterForm(request.GET)
    page = paginate(
        AuditEvent.objects.matching(**form.exact()).between(*form.period()).as_rows(),
        order=["-id"],
        parameters=_only(request, "cursor", *FILTERS),
        owner=request.organization.pk,
        path=request.path,
        default_limit=EVENTS_ON_A_PAGE,
    )
    context = {
        "nav": "settings",
        "page": page,
        "form": form,
        "chips": _chips(request, form, page.rows),
        "report": verify_chain() if "verify" in request.GET else None,
        "erasable": _erasable(request, form.exact()["actor_id"]),
    }
    return render(request, "orgs/audit_log.html", context)


@requires(Role.ADMIN)
@require_safe
def audit_event(request: OrganizationRequest, event: str) -> HttpResponse:
    """One event with everything it holds, and what else happened to the same thing."""
    row = AuditEvent.objects.named(event).as_rows().first()
    if row is None:
        raise NotFound("No event of this organization has this id.")
    related = AuditEvent.objects.matching(target_id=row["target_id"] or None, target_kind=row["target_kind"])
    context = {
        "nav": "settings",
        "event": row,
        "changes": _changes(row),
        "seal": AuditSeal.objects.filter(event_id=row["id"]).first(),
        "related": related.exclude(id=row["id"]).as_rows().order_by("-id")[:10] if row["target_id"] else [],
    }
    return render(request, "orgs/audit_event.html", context)


@requires(Role.ADMIN)
@require_safe
def refusals(request: OrganizationRequest) -> HttpResponse:
    """Who was refused, hour by hour."""
    page = paginate(
        request.organization.refusals.all(),
        order=["-hour", "-id"],
        parameters=_only(request, "cursor"),
        owner=request.organization.pk,
        path=request.path,
        default_limit=EVENTS_ON_A_PAGE,
    )
    return render(request, "orgs/refusals.html", {"nav": "settings", "page": page})


@exports
@requires(Role.ADMIN)
@recently_proven
@require_POST
def export_audit_log(request: OrganizationRequest) -> StreamingHttpResponse:
    """A download of every sealed entry with its anchors, for keeping and for checking elsewhere."""
    chunks = export_audit(actor=request.actor)
    response = StreamingHttpResponse(chunks, content_type="application/x-ndjson")
    filename = f"audit-{request.organization.slug}-{timezone.now():%Y-%m-%d}.ndjson"
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Cache-Control"] = "no-store"
    return response


@requires(Role.OWNER)
@recently_proven
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def erase_personal_data(request: OrganizationRequest, person: str) -> HttpResponse:
    """Asks for the address, then erases what the log tells about somebody who is no member any more."""
    user = _former(request, person)
    form = EraseForm(request.POST or None, email=user.email)
    if request.method == "POST" and form.is_valid():
        try:
            erased = erase_person(user=user, actor=request.actor)
        except StillMember as refusal:
            form.add_error(None, refusal.detail)
        else:
            messages.success(request, f"Name and address are erased from {erased} places. What was done stays.")
            return redirect("audit_log", slug=request.organization.slug)
    context = {"nav": "settings", "person": user, "form": form}
    return render(request, "orgs/erase_person.html", context, status=400 if form.errors else 200)


def _former(request: OrganizationRequest, person: str) -> User:
    user = former_member(person)
    if user is None:
        raise NotFound("No former member of this organization has this id.")
    return user


def _erasable(request: OrganizationRequest, actor_id: str | None) -> User | None:
    """The former member the list is about, if an owner looks at it."""
    if actor_id is None or request.actor.role is not Role.OWNER:
        return None
    return former_member(actor_id)


def _chips(request: OrganizationRequest, form: AuditFilterForm, rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What narrows the list now, in words, each with the address without it."""
    words = {name: str(value) for name, value in form.cleaned_data.items() if value}
    for row in rows[:1]:
        if "actor" in words:
            words["actor"] = f"by {row['person__label'] or words['actor']}"
        if "target" in words:
            words["target"] = row["label"] or words["target"]
    chips = []
    for name, text in words.items():
        rest = _only(request, *(other for other in FILTERS if other != name))
        chips.append({"text": text, "url": f"{request.path}?{rest.urlencode()}" if rest else request.path})
    return chips


def _changes(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The values side by side, one row per name."""
    details = row["subject__details"] or {}
    before, after = (row[side] or details.get(side) or {} for side in ("before", "after"))
    names = [*before, *(name for name in after if name not in before)]
    return [{"name": name, "before": before.get(name), "after": after.get(name)} for name in names]


def _only(request: OrganizationRequest, *names: str) -> QueryDict:
    """The query parameters a page knows: pages ignore the others."""
    parameters = QueryDict(mutable=True)
    for name in names:
        if value := request.GET.get(name):
            parameters[name] = value
    return parameters
