"""`/members/`: the people of the organization and their roles."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from orgs.models import Membership
from orgs.permissions import Right, Role
from orgs.viewsets import TenantViewSet


class MemberSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=[role.value for role in Role])
    is_email_confirmed = serializers.BooleanField()
    created_at = serializers.DateTimeField()


def member_as_dict(membership: Membership) -> dict[str, Any]:
    person = membership.user
    return {
        "email": person.email,
        "name": person.name,
        "role": membership.role,
        "is_email_confirmed": person.email_confirmed_at is not None,
        "created_at": membership.created_at,
    }


class MemberViewSet(TenantViewSet):
    serializer_class = MemberSerializer
    rights: ClassVar[dict[str, Right]] = {"list": Right.READ_ORGANIZATION}

    @extend_schema(responses=MemberSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The people of the organization, the first member first."""
        page = self.page(self.organization.memberships.select_related("user"), ["created_at", "id"])
        return Response(page.as_dict() | {"results": [member_as_dict(row) for row in page.rows]})
