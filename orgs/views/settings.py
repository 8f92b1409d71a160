"""The organization's name, address and choices."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.forms.organizations import OrganizationForm, SlugForm
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest
from orgs.services.email_confirmation import EmailNotConfirmed, require_confirmed_email
from orgs.services.organizations import SlugTaken, rename_slug, update_organization


@requires(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def general(request: OrganizationRequest) -> HttpResponse:
    organization = request.organization
    form = OrganizationForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        update_organization(
            organization=organization,
            actor=request.actor,
            name=form.cleaned_data["name"],
            settings=form.settings(),
        )
        messages.success(request, "The settings are saved.")
        return redirect("settings", slug=organization.slug)
    return _general_page(request, form, SlugForm(initial={"slug": organization.slug}))


@requires(Role.ADMIN)
@require_POST
def rename(request: OrganizationRequest) -> HttpResponse:
    """A new address reaches everybody in the organization, so whoever sets it has a confirmed e-mail."""
    form = SlugForm(request.POST)
    if form.is_valid():
        try:
            require_confirmed_email(request.user)
            organization = rename_slug(
                organization=request.organization, slug=form.cleaned_data["slug"], actor=request.actor
            )
        except (SlugTaken, EmailNotConfirmed) as refusal:
            form.add_error("slug", refusal.detail)
        else:
            messages.success(request, f"The address is /o/{organization.slug}/ now.")
            return redirect("settings", slug=organization.slug)
    return _general_page(request, OrganizationForm(organization=request.organization), form)


def _general_page(request: OrganizationRequest, form: OrganizationForm, slug_form: SlugForm) -> HttpResponse:
    status = 400 if form.errors or slug_form.errors else 200
    context = {"nav": "settings", "form": form, "slug_form": slug_form}
    return render(request, "orgs/settings.html", context, status=status)


@requires(Role.VIEWER)
@require_safe
def plan(request: OrganizationRequest) -> HttpResponse:
    """What is in use and what each plan allows: where a refusal for want of room leads."""
    usage = [
        {"label": resource.capitalize(), "used": used, "limit": limit_of(request.organization, resource)}
        for resource, used in used_now().items()
    ]
    return render(request, "orgs/plan.html", {"nav": "settings", "usage": usage, "plans": list(PLANS.values())})
@requires(Role.ADMIN)
@require_safe
def audit_log(request: OrganizationRequest) -> HttpResponse:
    """The newest first, by action if one is chosen; `?verify` walks the chain."""
    action = request.GET.get("action") or None
    if action not in {known.value for known in Action}:
        action = None
    page = paginate(
        AuditEvent.objects.matching(action=action).as_rows(),
        order=["-id"],
        parameters=_only(request, "cursor", "action"),
        owner=request.organization.pk,
        path=request.path,
        default_limit=EVENTS_ON_A_PAGE,
    )
    context = {
        "nav": "settings",
        "page": page,
        "actions": [known.value for known in Action],
        "chosen": action,
        "report": verify_chain() if "verify" in request.GET else None,
    }
    return render(request, "orgs/audit_log.html", context)


def _only(request: OrganizationRequest, *names: str) -> QueryDict:
    """The query parameters a page knows: pages ignore the others."""
    parameters = QueryDict(mutable=True)
    for name in names:
        if value := request.GET.get(name):
            parameters[name] = value
    return parameters
