"""Taking an owner to Stripe: to its Checkout for a first subscription, to its portal for everything after."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from billing import gateway
from billing.gateway import SubscriptionRead
from billing.models import CheckoutSession
from billing.models.subscription import MANAGED_IN_PORTAL
from billing.prices import price_of_plan
from billing.problems import BillingNotConfigured, StripeRefused
from dataxpipe.problems import Conflict, FieldError, Forbidden, ValidationFailed
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import Organization
from orgs.permissions import Role
from orgs.plans import PLANS
from orgs.tenancy import current_organization

SOLD_PLANS = tuple(name for name, plan in PLANS.items() if plan.price_per_month)
LONGEST_URL = 2000


class BilledThroughParent(Forbidden):
    slug = "billed-through-parent"
    title = "The parent organization pays"
    about = "A sub-organization has no subscription of its own. `parent` names the organization whose owners decide."


class NoCustomer(Conflict):
    slug = "no-customer"
    title = "Nothing was bought yet"
    about = "The portal shows what an organization pays. It opens once the organization has been to Checkout."


def start_checkout(*, plan_name: str, actor: Actor, success_url: str = "", cancel_url: str = "") -> str:
    """Where to send the owner, in the organization's scope: Checkout, or the portal if there is a subscription.

    Raises `BilledThroughParent`, `ValidationFailed`, `BillingNotConfigured`, `BillingUnavailable`.
    """
    organization = _paying_organization()
    price_id = _price(plan_name)
    page = settings.BASE_URL + reverse("plan", kwargs={"slug": organization.slug})
    success_url = _own_address(success_url, "success_url") or f"{page}?checkout=paid"
    cancel_url = _own_address(cancel_url, "cancel_url") or page
    customer_id, subscriptions = _customer(organization)
    if any(subscription.status in MANAGED_IN_PORTAL for subscription in subscriptions):
        return gateway.open_portal(customer_id=customer_id, return_url=f"{page}?portal=back")
    session = CheckoutSession.objects.filter(organization=organization).first()
    if session is not None:
        wanted = (price_id, success_url, cancel_url)
        if url := _url_if_open(
            session, is_wanted=(session.price_id, session.success_url, session.cancel_url) == wanted
        ):
            return url
    opened = gateway.open_checkout(
        customer_id=customer_id,
        price_id=price_id,
        success_url=success_url,
        cancel_url=cancel_url,
        reference=organization.slug,
        idempotency_key=f"checkout-{secrets.token_hex(16)}",
    )
    CheckoutSession.objects.update_or_create(
        organization=organization,
        defaults={
            "stripe_id": opened.stripe_id,
            "plan_name": plan_name,
            "price_id": price_id,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "created_at": timezone.now(),
            "expires_at": opened.expires_at,
        },
    )
    audit.record(Action.CHECKOUT_STARTED, actor, target=organization, after={"plan": plan_name, "price": price_id})
    return opened.url


def open_portal(*, return_url: str = "") -> str:
    """The portal's URL, in the organization's scope. Raises as `start_checkout`, and `NoCustomer`."""
    organization = _paying_organization()
    page = settings.BASE_URL + reverse("plan", kwargs={"slug": organization.slug})
    return_url = _own_address(return_url, "return_url") or f"{page}?portal=back"
    if not organization.stripe_customer_id:
        raise NoCustomer("There is no subscription yet. Choose a plan first.")
    return gateway.open_portal(customer_id=organization.stripe_customer_id, return_url=return_url)


def _paying_organization() -> Organization:
    """The bound organization as it is now, one visit to Stripe at a time."""
    bound = current_organization()
    if bound.parent_id is not None:
        parent = bound.parent.slug if bound.parent else ""
        raise BilledThroughParent(f"{bound.slug} belongs to {parent}, whose owners choose the plan.", parent=parent)
    if not gateway.is_configured():
        raise BillingNotConfigured("STRIPE_SECRET_KEY is not set on this server. Whoever runs it can change the plan.")
    with connection.cursor() as cursor:
        # Not the row's lock: while Stripe answers, pipelines must be registered.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"dataxpipe billing of organization {bound.pk}"]
        )
    return Organization.objects.get(pk=bound.pk)


def _price(plan_name: str) -> str:
    if plan_name not in SOLD_PLANS:
        detail = f"One of {', '.join(SOLD_PLANS)}."
        raise ValidationFailed(
            f"No such plan is sold. {detail}", errors=[FieldError("unknown", detail, pointer="/plan")]
        )
    price_id = price_of_plan(plan_name)
    if not price_id:
        raise BillingNotConfigured(f"STRIPE_PRICE_{plan_name.upper()} is not set on this server.")
    return price_id


def _own_address(text: str, name: str) -> str:
    """A return URL as Stripe wants it, absolute; one that leads away from here is refused."""
    if not text:
        return ""
    base = urlsplit(settings.BASE_URL)
    absolute = settings.BASE_URL + text if text.startswith("/") else text
    is_own = (
        len(absolute) <= LONGEST_URL
        and absolute.isprintable()
        and not any(character in absolute for character in "\\ ")
        and not text.startswith("//")
        and absolute.startswith(f"{base.scheme}://")
        and url_has_allowed_host_and_scheme(absolute, {base.netloc}, require_https=base.scheme == "https")
    )
    if not is_own:
        detail = f"Only addresses that begin with {settings.BASE_URL}/, or a path."
        raise ValidationFailed(
            f"{name} leads away from here. {detail}", errors=[FieldError("foreign", detail, pointer=f"/{name}")]
        )
    return absolute


def _customer(organization: Organization) -> tuple[str, list[SubscriptionRead]]:
    """The organization's customer, made once, and what it subscribes to."""
    former = organization.stripe_customer_id
    if former:
        try:
            return former, gateway.subscriptions_of(former)
        except StripeRefused as refusal:
            if not refusal.is_about_the_customer:
                raise
    owner = organization.memberships.filter(role=Role.OWNER.value).select_related("user").order_by("pk").first()
    metadata = {"organization": organization.slug, "made_at": organization.created_at.isoformat()}
    organization.stripe_customer_id = gateway.create_customer(
        name=organization.name,
        email=owner.user.email if owner else "",
        metadata=metadata | ({"replaces": former} if former else {}),
    )
    organization.save(update_fields=["stripe_customer_id", "updated_at"])
    return organization.stripe_customer_id, []


def _url_if_open(session: CheckoutSession, *, is_wanted: bool) -> str:
    """The session's URL if it can be gone on with; one for something else is ended, so that only one is ever paid."""
    try:
        known = gateway.checkout(session.stripe_id)
    except StripeRefused:
        return ""
    if known.status == "open" and not is_wanted:
        gateway.expire_checkout(session.stripe_id)
        return ""
    return known.url
