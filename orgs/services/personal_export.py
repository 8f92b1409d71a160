"""Everything that is kept about a person, as one JSON document, written piece by piece."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import orjson
from django.db.models import Q
from django.utils import timezone

from orgs.models import ApiKey, AuditEvent, AuditSubject, Invitation, Organization, Refusal, SecondFactor, User
from orgs.services.audit_erasure import organizations_that_remember
from orgs.tenancy import scoped_stream

EVENTS_A_PIECE = 500
EVENT_FIELDS = (
    "id",
    "created_at",
    "action",
    "actor_kind",
    "actor_id",
    "target_kind",
    "target_label",
    "person__label",
    "person__ip_address",
    "person__user_agent",
)


def export_person(user: User) -> Iterator[bytes]:
    """Outside any scope: each organization's memory is read in a scope of its own. Secrets are not in it."""
    yield b'{"exported_at":' + _json(timezone.now()) + b',"account":' + _json(_account(user))
    yield b',"sessions":' + _json(_sessions(user)) + b',"invitations_received":' + _json(_received(user))
    yield b',"organizations":['
    for number, organization in enumerate(organizations_that_remember(user)):
        yield b"," if number else b""
        yield _json(_in_organization(user, organization))[:-1] + b',"audit_events":['
        yield from _audit_events(user, organization)
        yield b"]}"
    yield b"]}\n"


def _account(user: User) -> dict[str, Any]:
    factor = SecondFactor.objects.filter(user=user).first()
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "email_confirmed_at": user.email_confirmed_at,
        "created_at": user.created_at,
        "last_login_at": user.last_login,
        "is_staff": user.is_staff,
        "identities": list(user.oidc_identities.order_by("pk").values("issuer", "subject", "created_at")),
        "second_factor": factor
        and {"enabled_at": factor.enabled_at, "recovery_codes_left": factor.recovery_codes_left},
    }


def _sessions(user: User) -> list[dict[str, Any]]:
    return [
        {
            "device": session.device,
            "user_agent": session.user_agent,
            "ip_address": session.ip_address,
            "signed_in_at": session.signed_in_at,
            "last_seen_at": session.last_seen_at,
            "ends_at": session.expire_date,
        }
        for session in user.sessions.order_by("signed_in_at")
    ]


def _received(user: User) -> list[dict[str, Any]]:
    received = Invitation.objects.filter(email=user.email).select_related("organization").order_by("created_at")
    return [{"organization": one.organization.slug, **_invitation(one)} for one in received]


def _invitation(invitation: Invitation) -> dict[str, Any]:
    return {"role": invitation.role, "status": invitation.status, "created_at": invitation.created_at}


def _in_organization(user: User, organization: Organization) -> dict[str, Any]:
    membership = organization.memberships.filter(user=user).first()
    former = organization.former_memberships.filter(user=user).first()
    keys = ApiKey.objects.filter(organization=organization, created_by=user).order_by("created_at")
    sent = Invitation.objects.filter(organization=organization, invited_by=user).order_by("created_at")
    refusals = Refusal.objects.filter(organization=organization, actor_kind="person", actor_id=str(user.pk))
    return {
        "slug": organization.slug,
        "name": organization.name,
        "role": membership.role if membership else None,
        "member_since": membership.created_at if membership else None,
        "membership_ended_at": former.ended_at if former and not membership else None,
        "api_keys_made": [{"id": key.pk, "name": key.name, "created_at": key.created_at} for key in keys],
        "invitations_sent": [{"email": one.email, **_invitation(one)} for one in sent],
        "refusals": list(
            refusals.order_by("hour").values("hour", "problem", "refusal_count", "ip_address", "last_path")
        ),
    }


def _audit_events(user: User, organization: Organization) -> Iterator[bytes]:
    """What the person did, and what others did to the person; not what others are called."""
    person_id = str(user.pk)

    def next_page(after: uuid.UUID | None) -> tuple[bytes, uuid.UUID | None]:
        told = AuditSubject.objects.filter(person_id=person_id)
        events = (
            AuditEvent.objects.filter(
                Q(actor_kind="person", actor_id=person_id) | Q(pk__in=told.values("event_id")),
                id__gt=after or uuid.UUID(int=0),
            )
            .order_by("id")
            .values(*EVENT_FIELDS)[:EVENTS_A_PIECE]
        )
        rows = list(events)
        details = dict(told.filter(event_id__in=[row["id"] for row in rows]).values_list("event_id", "details"))
        piece = b",".join(_json(_event(row, person_id, details)) for row in rows)
        is_last = len(rows) < EVENTS_A_PIECE
        return (b"," if after and rows else b"") + piece, None if is_last else rows[-1]["id"]

    return scoped_stream(organization, next_page)


def _event(row: dict[str, Any], person_id: str, details: dict[uuid.UUID, Any]) -> dict[str, Any]:
    is_own = row["actor_kind"] == "person" and row["actor_id"] == person_id
    event = {"id": row["id"], "created_at": row["created_at"], "action": row["action"], "is_own": is_own}
    if is_own:
        event |= {"ip_address": row["person__ip_address"], "user_agent": row["person__user_agent"]}
        event |= {"label": row["person__label"], "target_kind": row["target_kind"], "target": row["target_label"]}
    if row["id"] in details:
        event["about_you"] = details[row["id"]]
    return event


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
