"""`/billing`: the ways to Stripe and the subscription's state, for owners. No key may: CI buys nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import gateway
from billing.models import Subscription
from billing.services.checkout import SOLD_PLANS, open_portal, start_checkout
from dataxpipe.fields import StrictSerializer, TextField, WordField
from orgs.idempotency import idempotent
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet


class CheckoutRequest(StrictSerializer):
    plan = WordField(choices=SOLD_PLANS)
    success_url = TextField(required=False, max_length=2000, help_text="an address of this server, or a path")
    cancel_url = TextField(required=False, max_length=2000, help_text="an address of this server, or a path")


class PortalRequest(StrictSerializer):
    return_url = TextField(required=False, max_length=2000, help_text="an address of this server, or a path")


class RedirectSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="where to send the person; good for an hour at most")


class SubscriptionSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="Stripe's word")
    plan = serializers.CharField(allow_null=True)
    current_period_end = serializers.DateTimeField(allow_null=True)
    cancel_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    grace_ends_at = serializers.DateTimeField(allow_null=True, help_text="when the plan ends if nothing is paid")


class BillingSerializer(serializers.Serializer[Any]):
    plan = serializers.CharField()
    is_configured = serializers.BooleanField(help_text="whether plans are sold on this server")
    subscription = SubscriptionSerializer(allow_null=True)


class BillingViewSet(TenantViewSet):
    serializer_class = BillingSerializer
    rights: ClassVar[dict[str, Right]] = {"checkout": Right.OWN, "portal": Right.OWN, "subscription": Right.OWN}

    @extend_schema(operation_id="billing_checkout", request=CheckoutRequest, responses=RedirectSerializer)
    @action(detail=False, methods=["post"])
    @idempotent
    def checkout(self, request: Request) -> Response:
        """A page of Stripe's to buy the plan, or to change it where there is a subscription."""
        wanted = CheckoutRequest(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = {**wanted.validated_data}
        return Response({"url": start_checkout(plan_name=values.pop("plan"), actor=self.actor, **values)})

    @extend_schema(operation_id="billing_portal", request=PortalRequest, responses=RedirectSerializer)
    @action(detail=False, methods=["post"])
    def portal(self, request: Request) -> Response:
        """A page of Stripe's to change the plan or the payment method, to see invoices and to cancel."""
        wanted = PortalRequest(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response({"url": open_portal(**wanted.validated_data)})

    @extend_schema(operation_id="billing_subscription", responses=BillingSerializer)
    @action(detail=False)
    def subscription(self, request: Request) -> Response:
        """The plan, and what Stripe last told of the subscription."""
        row = Subscription.objects.filter(organization=self.organization).current()
        return Response(
            {
                "plan": self.organization.plan_name,
                "is_configured": gateway.is_configured(),
                "subscription": _subscription(row) if row else None,
            }
        )


def _subscription(row: Subscription) -> dict[str, Any]:
    return {
        "status": row.status,
        "plan": row.plan_name or None,
        "current_period_end": row.current_period_end,
        "cancel_at": row.cancel_at,
        "ended_at": row.ended_at,
        "grace_ends_at": row.grace_ends_at,
    }
