"""`/members/`: the people of the organization and their roles."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.fields import StrictSerializer
from dataxpipe.problems import NotFound
from orgs.models import Membership
from orgs.permissions import Right, Role
from orgs.services import members
from orgs.viewsets import TenantViewSet

ROLES = [role.value for role in Role]


class MemberSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=ROLES)
    is_email_confirmed = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class MemberChange(StrictSerializer):
    role = serializers.ChoiceField(choices=ROLES)


def member_as_dict(membership: Membership) -> dict[str, Any]:
    person = membership.user
    return {
        "id": membership.pk,
        "email": person.email,
        "name": person.name,
        "role": membership.role,
        "is_email_confirmed": person.email_confirmed_at is not None,
        "created_at": membership.created_at,
    }


class MemberViewSet(TenantViewSet):
    serializer_class = MemberSerializer
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_ORGANIZATION,
        "retrieve": Right.READ_ORGANIZATION,
        "partial_update": Right.ADMINISTER,
        "destroy": Right.ADMINISTER,
    }

    @extend_schema(responses=MemberSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The people of the organization, the first member first."""
        page = self.page(self.organization.memberships.select_related("user"), ["created_at", "id"])
        return Response(page.as_dict() | {"results": [member_as_dict(row) for row in page.rows]})

    @extend_schema(responses=MemberSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(member_as_dict(self._member(pk)))

    @extend_schema(request=MemberChange, responses=MemberSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Another role, from the next request on. Keys do not touch owners and make none."""
        change = MemberChange(data=request.data)
        change.is_valid(raise_exception=True)
        role = Role(change.validated_data["role"])
        membership = members.change_role(membership=self._member(pk), role=role, actor=self.actor)
        return Response(member_as_dict(membership))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The person is a stranger from the next request on."""
        members.remove_member(membership=self._member(pk), actor=self.actor)
        return Response(status=204)

    def _member(self, pk: str) -> Membership:
        membership = self.organization.memberships.named(pk).select_related("user").first()
        if membership is None:
            raise NotFound("No member of this organization has this id.")
        return membership
