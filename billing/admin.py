"""What staff see of billing: subscriptions as Stripe told them, and the events that wait for somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin

from billing.models import EventState, StripeEvent, Subscription
from billing.services.events import apply_event
from orgs.actors import Actor
from orgs.admin.acts import Act, ActingModelAdmin
from orgs.admin_site import StaffModelAdmin
from orgs.models import User
from orgs.platform_audit import PlatformAction, remember


class ReplayForm(forms.Form):
    """Nothing to fill in: the button asks once more."""

    def __init__(self, *args: Any, row: StripeEvent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def replay(event: StripeEvent, values: Mapping[str, Any], actor: Actor, person: User) -> str:
    """Raises `BillingUnavailable`, which the form shows."""
    before = event.state
    event = apply_event(event)
    remember(
        PlatformAction.STRIPE_EVENT_REPLAYED,
        actor,
        target_label=event.event_id,
        before={"state": before},
        after={"state": event.state, "reason": event.reason},
    )
    return f"Event {event.event_id} is {event.state}. {event.reason}".strip()


@admin.register(StripeEvent)
class StripeEventAdmin(ActingModelAdmin):
    list_display = ["received_at", "state", "reason", "type", "customer_id"]
    list_filter = ["state"]
    search_fields = ["event_id", "customer_id", "object_id"]
    ordering = ["-id"]
    fields = [
        "event_id",
        "type",
        "customer_id",
        "object_id",
        "state",
        "reason",
        "occurred_at",
        "received_at",
        "applied_at",
    ]
    acts = {
        "replay": Act(
            "Replay",
            ReplayForm,
            replay,
            "The subscriptions of the customer are read from Stripe again.",
            lambda event: event.state != EventState.APPLIED,
        )
    }


@admin.register(Subscription)
class SubscriptionAdmin(StaffModelAdmin):
    list_display = ["organization", "status", "plan_name", "current_period_end", "cancel_at", "read_at"]
    list_select_related = ["organization"]
    list_filter = ["status", "plan_name"]
    search_fields = ["organization__slug", "stripe_id", "price_id"]
    ordering = ["-created_at"]
    fields = [
        "organization",
        "stripe_id",
        "status",
        "price_id",
        "plan_name",
        "granted_plan",
        "current_period_end",
        "cancel_at",
        "ended_at",
        "past_due_since",
        "created_at",
        "read_at",
    ]
