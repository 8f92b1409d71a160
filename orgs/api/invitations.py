"""`/invitations/`: people asked to join. The link of an invitation stands in its mail and nowhere else."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.fields import StrictSerializer
from dataxpipe.problems import NotFound
from orgs.api.api_keys import IDEMPOTENCY_KEY
from orgs.api.members import ROLES
from orgs.idempotency import idempotent
from orgs.models import Invitation
from orgs.permissions import Right, Role
from orgs.services import invitations
from orgs.viewsets import TenantViewSet


class InvitationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=ROLES)
    status = serializers.ChoiceField(choices=["pending", "expired", "accepted", "revoked"])
    invited_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    mailed_at = serializers.DateTimeField(allow_null=True, help_text="null until the mail server took it")
    accepted_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewInvitation(StrictSerializer):
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLES)


def invitation_as_dict(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.pk,
        "email": invitation.email,
        "role": invitation.role,
        "status": invitation.status,
        "invited_by": invitation.invited_by_label,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
        "mailed_at": invitation.mailed_at,
        "accepted_at": invitation.accepted_at,
        "revoked_at": invitation.revoked_at,
    }


class InvitationViewSet(TenantViewSet):
    serializer_class = InvitationSerializer
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.ADMINISTER,
        "create": Right.ADMINISTER,
        "destroy": Right.ADMINISTER,
    }

    @extend_schema(responses=InvitationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Every invitation that was ever sent, the newest first."""
        page = self.page(self.organization.invitations.all(), ["-created_at", "-id"])
        return Response(page.as_dict() | {"results": [invitation_as_dict(row) for row in page.rows]})

    @extend_schema(request=NewInvitation, responses={201: InvitationSerializer}, parameters=[IDEMPOTENCY_KEY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Mails a link that works once, for seven days, for this address. Keys invite no owners."""
        new = NewInvitation(data=request.data)
        new.is_valid(raise_exception=True)
        role = Role(new.validated_data["role"])
        invitation = invitations.invite_member(email=new.validated_data["email"], role=role, actor=self.actor)
        return Response(invitation_as_dict(invitation), status=201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The link stops working; `invitation-closed` when it was used or revoked before."""
        invitation = self.organization.invitations.named(pk).first()
        if invitation is None:
            raise NotFound("No invitation of this organization has this id.")
        invitations.revoke_invitation(invitation=invitation, actor=self.actor)
        return Response(status=204)
