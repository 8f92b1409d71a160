"""What owners are told about money: a payment that failed, and a plan that ended."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from billing.models import Subscription
from orgs.mail import one_line, send_mail
from orgs.models import Organization
from orgs.permissions import Role
from orgs.plans import PLANS


def mail_past_due(organization: Organization, subscription: Subscription) -> None:
    """After the commit, to every owner."""
    plan = PLANS.get(subscription.plan_name, organization.plan)
    context = {"plan": plan.label, "ends_at": subscription.grace_ends_at}
    transaction.on_commit(
        lambda: _mail_owners(organization, "past_due", f"A payment of {organization.name} failed", context)
    )


def mail_plan_ended(organization: Organization, label: str) -> None:
    """Outside any scope, to every owner. `label` is the plan that was."""
    context = {"plan": label, "free": PLANS["free"]}
    _mail_owners(organization, "plan_ended", f"{organization.name} is on the Free plan now", context)


def _mail_owners(organization: Organization, name: str, subject: str, context: dict[str, Any]) -> None:
    link = settings.BASE_URL + reverse("plan", kwargs={"slug": organization.slug})
    context = context | {"organization_name": one_line(organization.name), "link": link}
    owners = organization.memberships.filter(role=Role.OWNER.value, user__is_active=True).values_list(
        "user__email", flat=True
    )
    for email in owners.order_by("pk"):
        send_mail(name, to=email, subject=subject, context=context, folder="billing/mail")
