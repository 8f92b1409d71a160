"""`/organizations/me`: what the organization of the credential is, may have, and has."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.fields import StrictSerializer, TextField
from dataxpipe.problems import FieldError, ValidationFailed
from orgs import plans
from orgs.api import usage
from orgs.models import KeptHistory, Organization
from orgs.models.organization import SETTINGS
from orgs.permissions import Right
from orgs.services.history import shortenings
from orgs.services.organizations import update_organization
from orgs.viewsets import TenantViewSet


@extend_schema_serializer(component_name="OrganizationPlan")
class PlanSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=list(plans.PLANS))
    label = serializers.CharField()  # type: ignore[assignment]
    price_per_month = serializers.IntegerField(help_text="US dollars")
    support = serializers.CharField()


@extend_schema_serializer(component_name="Organization")
class OrganizationSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.CharField()
    parent = serializers.CharField(  # type: ignore[assignment]
        allow_null=True, help_text="slug of the parent organization"
    )
    plan = PlanSerializer()
    limits = serializers.DictField(child=serializers.IntegerField(allow_null=True), help_text="null is unlimited")
    usage = serializers.DictField(
        child=serializers.IntegerField(), help_text="what is there now; storage as it was measured last"
    )
    features = serializers.DictField(child=serializers.BooleanField())
    settings = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class OrganizationChange(StrictSerializer):
    name = TextField(max_length=100, required=False)
    settings = serializers.DictField(child=TextField(), required=False, help_text=f"of {', '.join(SETTINGS)}")


@extend_schema_serializer(component_name="ResourceHeadroom")
class HeadroomSerializer(serializers.Serializer[Any]):
    resource = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()
    adding = serializers.IntegerField()
    fits = serializers.BooleanField()


class OverrideSerializer(serializers.Serializer[Any]):
    resource = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True, help_text="null is unlimited")
    plan_limit = serializers.IntegerField(allow_null=True, help_text="what the plan alone allows")
    reason = serializers.CharField()
    ends_at = serializers.DateTimeField(allow_null=True)


class ShorteningSerializer(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(choices=list(plans.HISTORIES))
    days = serializers.IntegerField(help_text="what is older is hidden")
    kept_days = serializers.IntegerField(help_text="what is older is deleted")
    deletes_at = serializers.DateTimeField(help_text="from then on, what is hidden is deleted")


class LimitsSerializer(serializers.Serializer[Any]):
    plan = serializers.CharField()
    fits = serializers.BooleanField()
    resources = HeadroomSerializer(many=True)
    overrides = OverrideSerializer(many=True, help_text="limits agreed with this organization, in place of its plan's")
    shortenings = ShorteningSerializer(many=True, help_text="histories that became shorter: a larger plan undoes it")
    upgrade_url = serializers.CharField()


def organization_as_dict(organization: Organization, parent: Organization | None) -> dict[str, Any]:
    """In the organization's scope: usage is counted now. There the parent is not seen, so it is given."""
    plan = organization.plan
    return {
        "slug": organization.slug,
        "name": organization.name,
        "status": organization.status,
        "parent": parent.slug if parent else None,
        "plan": {
            "name": plan.name,
            "label": plan.label,
            "price_per_month": plan.price_per_month,
            "support": plan.support,
        },
        "limits": {resource: plans.limit_of(organization, resource) for resource in plans.LIMITS},
        "usage": {**plans.used_now(), "storage_bytes": organization.usage_levels.get("storage_bytes", 0)},
        "features": {feature: feature in plan.features for feature in plans.FEATURES},
        "settings": {name: organization.setting(name) for name in SETTINGS},
        "created_at": organization.created_at,
        "updated_at": organization.updated_at,
    }


class OrganizationViewSet(TenantViewSet):
    serializer_class = OrganizationSerializer
    rights: ClassVar[dict[str, Right]] = {
        "me": Right.READ_CATALOG,
        "change_me": Right.ADMINISTER,
        "limits": Right.PLAN,
        "usage": Right.READ_CATALOG,
    }
    parameters: ClassVar[dict[str, set[str]]] = {
        "limits": {"adding_pipelines", "adding_connections"},
        "usage": usage.PARAMETERS,
    }

    def right(self) -> Right:
        """What each key did is told like the keys themselves."""
        if self.action == "usage" and "per" in self.request.query_params:
            return Right.READ_ORGANIZATION
        return super().right()

    @extend_schema(operation_id="organization_retrieve", responses=OrganizationSerializer)
    @action(detail=False)
    def me(self, request: Request) -> Response:
        """Identity, plan, limits, usage now, features and settings of the credential's organization."""
        return Response(organization_as_dict(self.organization, self.organization.parent))

    @extend_schema(operation_id="organization_update", request=OrganizationChange, responses=OrganizationSerializer)
    @me.mapping.patch
    def change_me(self, request: Request) -> Response:
        """Changes the name and the settings that are given."""
        change = OrganizationChange(data=request.data)
        change.is_valid(raise_exception=True)
        organization = update_organization(organization=self.organization, actor=self.actor, **change.validated_data)
        return Response(organization_as_dict(organization, self.organization.parent))

    @extend_schema(
        operation_id="organization_limits",
        parameters=[OpenApiParameter("adding_pipelines", int), OpenApiParameter("adding_connections", int)],
        responses=LimitsSerializer,
    )
    @action(detail=False, url_path="me/limits")
    def limits(self, request: Request) -> Response:
        """Whether as many more would fit, for CI to ask before it deploys. Reserves nothing."""
        organization = self.organization
        resources = [_headroom(organization, name, request) for name in sorted(plans.used_now())]
        return Response(
            {
                "plan": organization.plan_name,
                "fits": all(resource["fits"] for resource in resources),
                "resources": resources,
                "overrides": [override_as_dict(organization, one) for one in plans.overrides_of(organization)],
                "shortenings": [_shortening_shape(row) for row in shortenings()],
                "upgrade_url": f"/o/{organization.slug}/settings/billing/",
            }
        )

    @extend_schema(operation_id="organization_usage", parameters=usage.DOCUMENTED, responses=usage.UsageSerializer)
    @action(detail=False, url_path="me/usage")
    def usage(self, request: Request) -> Response:
        """What was used over time: counts by interval, and levels at its end. `per=key` needs `organization:read`."""
        return Response(usage.usage_answer(request))


def _headroom(organization: Organization, resource: str, request: Request) -> dict[str, Any]:
    adding = _count(request, f"adding_{resource}")
    limit, used = plans.limit_of(organization, resource), plans.used(resource)
    fits = limit is None or adding == 0 or used + adding <= limit
    return {"resource": resource, "limit": limit, "used": used, "adding": adding, "fits": fits}


def override_as_dict(organization: Organization, override: plans.Override) -> dict[str, Any]:
    return {
        "resource": override.resource,
        "limit": override.limit,
        "plan_limit": organization.plan.limit(override.resource),
        "reason": override.reason,
        "ends_at": override.ends_at,
    }


def _shortening_shape(row: KeptHistory) -> dict[str, Any]:
    return {
        "resource": row.resource,
        "days": row.shortened_to,
        "kept_days": row.days,
        "deletes_at": row.deletes_at,
    }


def _count(request: Request, parameter: str) -> int:
    text = request.query_params.get(parameter, "0")
    if text.isascii() and text.isdigit() and len(text) <= 6:
        return int(text)
    error = FieldError("invalid", "A whole number from 0 to 999999.", parameter=parameter)
    raise ValidationFailed(f"{parameter} is out of range.", errors=[error])
