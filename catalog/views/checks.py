"""All checks of the organization, what fails first."""

from __future__ import annotations

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.models import Check
from catalog.views.addresses import address, page_of, text_of
from catalog.views.check_rows import check_rows
from catalog.views.pipeline_filters import Choice
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

STATES = {"": "All", "failing": "Failing", "pass": "Passing", "never": "Without result"}


@requires(Role.VIEWER)
@require_GET
def checks(request: OrganizationRequest) -> HttpResponse:
    state, text = text_of(request.GET, "state"), text_of(request.GET, "q")
    found = Check.objects.declared().select_related("pipeline", "dataset")
    if state == "failing":
        found = found.filter(failing_since__isnull=False)
    elif state == "pass":
        found = found.filter(failing_since=None, last_status="pass")
    elif state == "never":
        found = found.filter(last_executed_at=None)
    if text:
        found = found.filter(check_id__icontains=text)
    page = page_of(request, found.annotate(urgency=_urgency()), ["urgency", "check_id", "id"], limit=25)
    context = {
        "nav": "checks",
        "page": page,
        "rows": check_rows(page.rows, request.organization.slug),
        "state": state if state in STATES else "",
        "text": text,
        "states": [Choice(name, label, 0, address(request.GET, state=name or None), name == state)
                   for name, label in STATES.items()],
    }  # fmt: skip
    return render(request, "catalog/check_list.html", context)


def _urgency() -> Case:
    """0 for failing errors, 1 for failing warnings, 2 for the rest."""
    return Case(
        When(failing_since__isnull=False, severity="error", then=Value(0)),
        When(failing_since__isnull=False, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
