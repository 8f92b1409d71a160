"""People: who they are, where they belong, and closing an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin

from orgs.actors import Actor
from orgs.admin.acts import Act, ActingModelAdmin, ReasonForm
from orgs.models import User
from orgs.services.staff import deactivate_person, reactivate_person, reset_second_factor


def deactivate(row: User, values: Mapping[str, Any], actor: Actor, person: User) -> str:
    deactivate_person(user=row, reason=values["reason"], actor=actor)
    return f"{row.email} is logged out everywhere and cannot log in."


def reactivate(row: User, values: Mapping[str, Any], actor: Actor, person: User) -> str:
    reactivate_person(user=row, reason=values["reason"], actor=actor)
    return f"{row.email} can log in again."


def reset_factor(row: User, values: Mapping[str, Any], actor: Actor, person: User) -> str:
    reset_second_factor(user=row, reason=values["reason"], actor=actor)
    return f"{row.email} logs in with the password alone, until a new factor is set up."


@admin.register(User)
class PersonAdmin(ActingModelAdmin):
    title = "People"
    list_display = ["email", "name", "is_active", "is_staff", "created_at", "last_login"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    fields = [
        "email",
        "name",
        "email_confirmed_at",
        "is_active",
        "is_staff",
        "organizations",
        "created_at",
        "last_login",
    ]
    readonly_fields = ["organizations"]
    acts = {
        "reset-second-factor": Act(
            "Reset second factor",
            ReasonForm,
            reset_factor,
            "For who lost the device and the recovery codes. Make sure who asks: afterwards the password alone lets in."
            " The person is mailed, and every organization of theirs remembers it.",
            lambda row: row.has_second_factor,
        ),
        "deactivate": Act(
            "Deactivate",
            ReasonForm,
            deactivate,
            "Every session ends. Memberships and keys stay: keys belong to organizations.",
            lambda row: row.is_active,
        ),
        "reactivate": Act(
            "Reactivate", ReasonForm, reactivate, "The person can log in again.", lambda row: not row.is_active
        ),
    }

    @admin.display(description="Organizations")
    def organizations(self, row: User) -> str:
        memberships = row.memberships.select_related("organization").order_by("organization__slug")
        return ", ".join(f"{membership.organization.slug} ({membership.role})" for membership in memberships)
