"""The plan of an organization: what is used, what each plan allows, and the ways to Stripe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from billing import gateway
from billing.models import CheckoutSession, Subscription
from billing.prices import price_of_plan
from billing.problems import BillingNotConfigured, BillingUnavailable
from billing.services.checkout import NoCustomer, open_portal, start_checkout
from orgs.models import Organization
from orgs.permissions import Role, requires
from orgs.plans import PLANS, Plan, limit_of, used_now
from orgs.proof import is_recently_proven
from orgs.requests import OrganizationRequest

# Asked every other second: Stripe's webhook usually takes less than five.
LOOKS = 30


@dataclass(frozen=True, slots=True)
class PlanCard:
    plan: Plan
    is_current: bool
    is_sold: bool
    is_next: bool

    @property
    def storage_gigabytes(self) -> int:
        return self.plan.storage_bytes // 10**9


@requires(Role.VIEWER)
@require_safe
def plan_page(request: OrganizationRequest) -> HttpResponse:
    """`?checkout=paid` and `?portal=back` are where Stripe sends people back to: the page waits for the webhook."""
    organization = request.organization
    subscription = Subscription.objects.filter(organization=organization).current()
    context = {
        "nav": "settings",
        "usage": _usage(organization),
        "cards": plan_cards(organization),
        "subscription": subscription,
        "is_owner": request.actor.role is Role.OWNER,
        "owners": _owners(organization),
        "is_billing_on": gateway.is_configured(),
        "is_customer": bool(organization.stripe_customer_id),
        **_waiting(request, subscription),
    }
    name = "billing/_plan.html" if request.htmx else "billing/plan.html"
    return render(request, name, context)


@requires(Role.OWNER)
@require_POST
def checkout(request: OrganizationRequest) -> HttpResponse:
    plan_name = request.POST.get("plan", "")
    return _onward(request, lambda: start_checkout(plan_name=plan_name, actor=request.actor))


@requires(Role.OWNER)
@require_POST
def portal(request: OrganizationRequest) -> HttpResponse:
    return _onward(request, open_portal)


def plan_cards(organization: Organization) -> list[PlanCard]:
    plans = list(PLANS.values())
    own = plans.index(organization.plan)
    return [
        PlanCard(
            plan=plan,
            is_current=number == own,
            is_sold=gateway.is_configured() and bool(price_of_plan(plan.name)),
            is_next=number == own + 1,
        )
        for number, plan in enumerate(plans)
    ]


def _usage(organization: Organization) -> list[dict[str, Any]]:
    return [
        {"label": resource.capitalize(), "used": used, "limit": limit_of(organization, resource)}
        for resource, used in used_now().items()
    ]


def _owners(organization: Organization) -> list[str]:
    owners = organization.memberships.filter(role=Role.OWNER.value).select_related("user").order_by("pk")
    return [membership.user.label for membership in owners[:5]]


def _waiting(request: OrganizationRequest, subscription: Subscription | None) -> dict[str, Any]:
    """Whether the page is to look again by itself, and what it says meanwhile."""
    session = CheckoutSession.objects.filter(organization=request.organization).first()
    if subscription is not None and subscription.is_managed_in_portal:
        session = None
    came_from = "checkout" if request.GET.get("checkout") == "paid" else "portal" if "portal" in request.GET else ""
    looks = request.GET.get("look", "")
    look = int(looks) if looks.isascii() and looks.isdigit() and len(looks) < 4 else 0
    is_confirming = came_from == "checkout" and session is not None
    return {
        "came_from": came_from,
        "is_confirming": is_confirming,
        "is_confirmed": came_from == "checkout" and session is None and request.organization.plan_name != "free",
        "open_checkout": session if session is not None and not is_confirming else None,
        "wanted_plan": PLANS[session.plan_name] if session is not None else None,
        "next_look": look + 1 if look < LOOKS and (is_confirming or came_from == "portal") else None,
        "is_slow": is_confirming and look >= LOOKS,
    }


def _onward(request: OrganizationRequest, way: Callable[[], str]) -> HttpResponse:
    """A page that leads to Stripe. A form's answer may not redirect there: the content security policy forbids it.

    Refusals lead back with a word and not with an error, so that a customer made on the way is kept.
    """
    if not is_recently_proven(request):
        return _prove_first(request)
    try:
        url = way()
    except (BillingUnavailable, BillingNotConfigured, NoCustomer) as refusal:
        messages.error(request, refusal.detail)
        return redirect("plan", slug=request.organization.slug)
    response = render(request, "billing/onward.html", {"url": url})
    response["Cache-Control"] = "no-store"
    return response


def _prove_first(request: OrganizationRequest) -> HttpResponse:
    """Leads back to the plans: the form may stand on a refusal, whose address answers no GET."""
    messages.warning(request, "Nothing was changed yet. Confirm that it is you, then choose again.")
    page = reverse("plan", kwargs={"slug": request.organization.slug})
    return redirect(f"{reverse('prove')}?{urlencode({'next': page})}")
