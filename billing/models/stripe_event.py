from __future__ import annotations

import datetime

from django.db import models


class EventState(models.TextChoices):
    RECEIVED = "received"
    APPLIED = "applied"
    QUARANTINED = "quarantined"


class StripeEventQuerySet(models.QuerySet["StripeEvent"]):
    def unfinished(self) -> StripeEventQuerySet:
        return self.exclude(state=EventState.APPLIED)

    def quarantined(self) -> StripeEventQuerySet:
        return self.filter(state=EventState.QUARANTINED)

    def left_behind(self, before: datetime.datetime) -> StripeEventQuerySet:
        """Received, and then Stripe or this server was down."""
        return self.filter(state=EventState.RECEIVED, received_at__lt=before)


class StripeEvent(models.Model):
    """One event of Stripe, stored once however often it is delivered.

    Only ids are kept: what they name is read from Stripe when the event is applied, and a payload holds addresses.
    """

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    customer_id = models.CharField(max_length=255, blank=True)
    object_id = models.CharField(max_length=255, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=11, choices=EventState, default=EventState.RECEIVED)
    reason = models.CharField(max_length=500, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    objects = StripeEventQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["state", "-received_at"], name="stripe_event_by_state")]

    def __str__(self) -> str:
        return self.event_id
