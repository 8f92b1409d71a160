"""`/organizations/`: every organization for platform keys, and its parts for a parent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.fields import InstantField, StrictSerializer, TextField, WholeNumberField, WordField
from dataxpipe.pagination import Page, paginate
from dataxpipe.parameters import Query
from dataxpipe.problems import FieldError, Forbidden, NotFound, ValidationFailed
from orgs import plans
from orgs.api.organizations import OverrideSerializer, override_as_dict
from orgs.models import Membership, Organization, OrganizationStatus
from orgs.operators import OperatorAuthentication
from orgs.permissions import Right, Role
from orgs.services.deletion import request_deletion, require_confirmation, undo_deletion
from orgs.services.organizations import change_plan, update_organization
from orgs.services.overrides import end_override, override_limit
from orgs.services.provisioning import provision_organization
from orgs.services.suspension import resume_organization, suspend_organization
from orgs.tenancy import tenant_scope
from orgs.viewsets import TenantViewSet

PLAN_NAMES, STATUSES, PLACEMENTS = tuple(plans.PLANS), tuple(OrganizationStatus.values), ("shared",)
WANTED_STATUSES = (OrganizationStatus.ACTIVE.value, OrganizationStatus.SUSPENDED.value)


@extend_schema_serializer(component_name="OperatedOrganization")
class OperatedOrganizationSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    status_reason = serializers.CharField(help_text="why it is suspended, as its members are told")
    deletion_at = serializers.DateTimeField(allow_null=True, help_text="until then its deletion can be undone")
    plan = serializers.ChoiceField(choices=PLAN_NAMES)
    parent = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    placement = serializers.ChoiceField(choices=PLACEMENTS, help_text="shared: rows beside those of others")
    limits = serializers.DictField(child=serializers.IntegerField(allow_null=True), help_text="null is unlimited")
    overrides = OverrideSerializer(many=True)
    owners = serializers.ListField(child=serializers.EmailField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewSubOrganization(StrictSerializer):
    slug = TextField(max_length=40)
    name = TextField(max_length=100)
    plan = WordField(choices=PLAN_NAMES, required=False, help_text="for operators; else the parent's")
    owner_email = serializers.EmailField(
        max_length=254, required=False, help_text="the owners of the parent, if absent"
    )


class NewOrganization(NewSubOrganization):
    owner_email = serializers.EmailField(max_length=254, help_text="added if there is an account, else invited")
    parent = TextField(max_length=40, required=False)  # type: ignore[assignment]


@extend_schema_serializer(component_name="OperatedOrganizationChange")
class OrganizationChange(StrictSerializer):
    name = TextField(max_length=100, required=False)
    plan = WordField(choices=PLAN_NAMES, required=False)
    status = WordField(choices=WANTED_STATUSES, required=False, help_text="active also undoes a deletion")
    reason = TextField(max_length=500, required=False, help_text="needed for suspending and resuming")


class AgreedLimit(StrictSerializer):
    resource = WordField(choices=plans.LIMITS)
    limit = WholeNumberField(allow_null=True, help_text="null is unlimited")
    ends_at = InstantField(required=False, allow_null=True)


class ResourcesChange(StrictSerializer):
    reason = TextField(max_length=500)
    overrides = AgreedLimit(many=True, required=False)
    ended = serializers.ListField(child=WordField(choices=plans.LIMITS), required=False)


class Confirmation(StrictSerializer):
    confirmation = TextField(max_length=200)


def operated_as_dict(organization: Organization) -> dict[str, Any]:
    return {
        "slug": organization.slug,
        "name": organization.name,
        "status": organization.status,
        "status_reason": organization.status_reason,
        "deletion_at": organization.deletion_at,
        "plan": organization.plan_name,
        "parent": organization.parent.slug if organization.parent else None,
        "placement": PLACEMENTS[0],
        "limits": {resource: plans.limit_of(organization, resource) for resource in plans.LIMITS},
        "overrides": [override_as_dict(organization, override) for override in plans.overrides_of(organization)],
        "owners": [membership.user.email for membership in organization.memberships.all()],
        "created_at": organization.created_at,
        "updated_at": organization.updated_at,
    }


class OperatedOrganizationViewSet(TenantViewSet):
    """Outside any scope: of tenants it reaches nothing, and services enter the scope of the one they change."""

    serializer_class = OperatedOrganizationSerializer
    authentication_classes = [OperatorAuthentication]  # type: ignore[list-item]
    lookup_field = "slug"
    has_scope = False
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.ADMINISTER,
        "retrieve": Right.ADMINISTER,
        "sub_organizations": Right.ADMINISTER,
        "create": Right.OPERATE,
        "partial_update": Right.OPERATE,
        "destroy": Right.OPERATE,
        "resources": Right.OPERATE,
    }
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"plan", "parent", "placement", "status", "q"}}

    def right(self) -> Right:
        return Right.OPERATE if self.actor.is_operator else super().right()

    @extend_schema(responses=OperatedOrganizationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """By slug. With an organization's key: its sub-organizations. A platform key sees all."""
        page = self.page(self._filtered(self._visible()), ["slug"])
        return Response(page.as_dict() | {"results": [operated_as_dict(row) for row in page.rows]})

    @extend_schema(responses=OperatedOrganizationSerializer)
    def retrieve(self, request: Request, slug: str) -> Response:
        """With an organization's key: itself, and its sub-organizations. A platform key sees all."""
        return Response(operated_as_dict(self._named(slug)))

    @extend_schema(request=NewOrganization, responses={201: OperatedOrganizationSerializer})
    def create(self, request: Request) -> Response:
        """An organization with an owner, who is added or invited."""
        new = NewOrganization(data=request.data)
        new.is_valid(raise_exception=True)
        return self._provision(new.validated_data, self._parent(new.validated_data.pop("parent", None)))

    @extend_schema(request=NewSubOrganization, responses={201: OperatedOrganizationSerializer})
    @action(detail=True, methods=["post"], url_path="sub-organizations")
    def sub_organizations(self, request: Request, slug: str) -> Response:
        """A part of this organization, on its plan: for its own keys, and for platform keys."""
        new = NewSubOrganization(data=request.data)
        new.is_valid(raise_exception=True)
        if "plan" in new.validated_data and not self.actor.is_operator:
            raise Forbidden("A sub-organization is on the plan of its parent. Leave `plan` out.")
        return self._provision(new.validated_data, self._named(slug))

    @extend_schema(request=OrganizationChange, responses=OperatedOrganizationSerializer)
    def partial_update(self, request: Request, slug: str) -> Response:
        """Name, plan, and whether it is suspended. All of it or nothing."""
        change = OrganizationChange(data=request.data)
        change.is_valid(raise_exception=True)
        organization, wanted = self._named(slug), change.validated_data
        reason = wanted.get("reason", "")
        with transaction.atomic():
            if "name" in wanted:
                with tenant_scope(organization):
                    update_organization(organization=organization, name=wanted["name"], actor=self.actor)
            if "plan" in wanted:
                change_plan(organization=organization, plan_name=wanted["plan"], reason=reason, actor=self.actor)
            if wanted.get("status", organization.status) != organization.status:
                self._set_status(organization, wanted["status"], reason)
        return Response(operated_as_dict(self._named(slug)))

    @extend_schema(request=Confirmation, responses={202: OperatedOrganizationSerializer})
    def destroy(self, request: Request, slug: str) -> Response:
        """Closes it at once and purges it after 14 days; until then `PATCH {"status": "active"}` undoes it."""
        confirmation = Confirmation(data=request.data)
        confirmation.is_valid(raise_exception=True)
        organization = self._named(slug)
        require_confirmation(organization, confirmation.validated_data["confirmation"])
        request_deletion(organization=organization, actor=self.actor)
        return Response(operated_as_dict(self._named(slug)), status=202)

    @extend_schema(request=ResourcesChange, responses=OperatedOrganizationSerializer)
    @action(detail=True, methods=["patch"])
    def resources(self, request: Request, slug: str) -> Response:
        """Limits agreed in place of the plan's, and the end of such. All of it or nothing."""
        change = ResourcesChange(data=request.data)
        change.is_valid(raise_exception=True)
        organization, wanted = self._named(slug), change.validated_data
        with transaction.atomic():
            for limit in wanted.get("overrides", []):
                override = plans.Override(reason=wanted["reason"], **limit)
                override_limit(organization=organization, override=override, actor=self.actor)
            for resource in wanted.get("ended", []):
                end_override(organization=organization, resource=resource, reason=wanted["reason"], actor=self.actor)
        return Response(operated_as_dict(self._named(slug)))

    def page(self, queryset: Any, order: Sequence[str]) -> Page:
        request = self.request
        return paginate(
            queryset,
            order=order,
            parameters=request.query_params,
            owner="platform" if self.actor.is_operator else self.organization.pk,
            path=request.build_absolute_uri(request.path),
        )

    def _visible(self) -> QuerySet[Organization]:
        """All for operators; itself and its parts for an organization."""
        owners = Membership.objects.filter(role=Role.OWNER.value).select_related("user").order_by("pk")
        rows = Organization.objects.select_related("parent").prefetch_related(Prefetch("memberships", owners))
        if self.actor.is_operator:
            return rows
        return rows.filter(Q(parent=self.organization) | Q(pk=self.organization.pk))

    def _named(self, slug: str) -> Organization:
        found = self._visible().filter(slug=slug).first()
        if found is None:
            raise NotFound("There is no organization of this name.")
        return found

    def _parent(self, slug: str | None) -> Organization | None:
        found = self._visible().filter(slug=slug).first() if slug is not None else None
        if slug is not None and found is None:
            error = FieldError("unknown", "There is no organization of this name.", pointer="/parent")
            raise ValidationFailed(error.detail, errors=[error])
        return found

    def _filtered(self, rows: QuerySet[Organization]) -> QuerySet[Organization]:
        if not self.actor.is_operator:
            rows = rows.exclude(pk=self.organization.pk)
        query = Query(self.request.query_params)
        plan, status = query.choice("plan", PLAN_NAMES), query.choice("status", STATUSES)
        parent, text = query.text("parent"), query.text("q")
        query.choice("placement", PLACEMENTS)
        query.require_valid()
        exact = {"plan_name": plan, "status": status, "parent__slug": parent}
        rows = rows.filter(**{name: value for name, value in exact.items() if value is not None})
        return rows.filter(Q(slug__contains=text.lower()) | Q(name__icontains=text)) if text else rows

    def _provision(self, fields: dict[str, Any], parent: Organization | None) -> Response:
        plan_name = fields.pop("plan", parent.plan_name if parent else "free")
        organization = provision_organization(**fields, plan_name=plan_name, parent=parent, actor=self.actor)
        made = Organization.objects.select_related("parent").get(pk=organization.pk)
        return Response(operated_as_dict(made), status=201)

    def _set_status(self, organization: Organization, status: str, reason: str) -> None:
        if status == OrganizationStatus.SUSPENDED:
            suspend_organization(organization=organization, reason=reason, actor=self.actor)
        elif organization.status == OrganizationStatus.DELETING:
            undo_deletion(organization=organization, actor=self.actor)
        elif organization.status == OrganizationStatus.SUSPENDED:
            resume_organization(organization=organization, reason=reason, actor=self.actor)

    def _require_standing(self) -> None:
        """Operators resume and undo, whatever the status is."""
        if not self.actor.is_operator:
            super()._require_standing()

    def _draw(self) -> None:
        """Operators draw on no organization's budget."""
        if not self.actor.is_operator:
            super()._draw()
