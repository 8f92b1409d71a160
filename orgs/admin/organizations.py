"""Organizations: plan, agreed limits, suspending, the way back from a deletion, and entering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import redirect

from orgs import plans
from orgs.actors import Actor
from orgs.admin.acts import Act, ActingModelAdmin, ReasonForm
from orgs.models import Organization, OrganizationStatus, User
from orgs.permissions import Role
from orgs.services.deletion import undo_deletion
from orgs.services.organizations import change_plan
from orgs.services.overrides import end_override, override_limit
from orgs.services.support import enter_organization
from orgs.services.suspension import resume_organization, suspend_organization

Values = Mapping[str, Any]


class PlanForm(ReasonForm):
    plan = forms.ChoiceField(choices=[(plan.name, plan.label) for plan in plans.PLANS.values()])
    field_order = ["plan", "reason"]


class LimitForm(ReasonForm):
    resource = forms.ChoiceField(choices=[(name, name.replace("_", " ")) for name in plans.LIMITS])
    limit = forms.IntegerField(min_value=0, required=False, help_text="Empty: unlimited.")
    ends_at = forms.DateTimeField(
        required=False, label="Ends at (UTC)", help_text="2027-06-01 or 2027-06-01 12:00. Empty: until it is ended."
    )
    field_order = ["resource", "limit", "ends_at", "reason"]


class EndLimitForm(ReasonForm):
    resource = forms.ChoiceField()
    field_order = ["resource", "reason"]

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, row=row, **kwargs)
        agreed = [(one.resource, one.resource.replace("_", " ")) for one in plans.overrides_of(row)]
        self.fields["resource"].choices = agreed  # type: ignore[attr-defined]


def set_plan(row: Organization, values: Values, actor: Actor, person: User) -> str:
    change_plan(organization=row, plan_name=values["plan"], reason=values["reason"], actor=actor)
    return f"{row.slug} is on {values['plan']} now."


def agree_limit(row: Organization, values: Values, actor: Actor, person: User) -> str:
    override_limit(organization=row, override=plans.Override(**values), actor=actor)
    return f"The limit of {values['resource']} is agreed."


def end_limit(row: Organization, values: Values, actor: Actor, person: User) -> str:
    end_override(organization=row, resource=values["resource"], reason=values["reason"], actor=actor)
    return f"The plan's limit of {values['resource']} holds again."


def suspend(row: Organization, values: Values, actor: Actor, person: User) -> str:
    suspend_organization(organization=row, reason=values["reason"], actor=actor)
    return f"{row.slug} is suspended, and its owners are told."


def resume(row: Organization, values: Values, actor: Actor, person: User) -> str:
    resume_organization(organization=row, reason=values["reason"], actor=actor)
    return f"{row.slug} is in use again, and its owners are told."


def undo(row: Organization, values: Values, actor: Actor, person: User) -> str:
    undo_deletion(organization=row, actor=actor)
    return f"{row.slug} is not deleted, and its owners are told."


def enter(row: Organization, values: Values, actor: Actor, person: User) -> HttpResponse:
    enter_organization(organization=row, user=person, reason=values["reason"], actor=actor)
    return redirect(row)


def has(*statuses: OrganizationStatus) -> Any:
    return lambda row: row.status in statuses


IN_USE = has(OrganizationStatus.ACTIVE, OrganizationStatus.PAST_DUE)


@admin.register(Organization)
class OrganizationAdmin(ActingModelAdmin):
    list_display = ["slug", "name", "plan_name", "status", "parent", "created_at"]
    list_filter = ["plan_name", "status"]
    list_select_related = ["parent"]
    search_fields = ["slug", "name", "stripe_customer_id", "memberships__user__email"]
    ordering = ["slug"]
    fields = [
        "slug",
        "name",
        "plan_name",
        "status",
        "status_reason",
        "deletion_at",
        "parent",
        "owners",
        "agreed_limits",
        "stripe_customer_id",
        "created_at",
        "updated_at",
    ]
    readonly_fields = ["owners", "agreed_limits"]
    acts = {
        "enter": Act(
            "Enter",
            ReasonForm,
            enter,
            "You see its pages as a viewer for 60 minutes and change nothing. Its owners are mailed the reason now, "
            "and it stands in their audit log.",
        ),
        "plan": Act("Change plan", PlanForm, set_plan, "It counts from the next request on. Billing is not touched."),
        "limit": Act("Agree on a limit", LimitForm, agree_limit, "It holds in place of the plan's."),
        "end-limit": Act(
            "End an agreed limit",
            EndLimitForm,
            end_limit,
            "The plan's limit holds again.",
            lambda row: bool(plans.overrides_of(row)),
        ),
        "suspend": Act("Suspend", ReasonForm, suspend, "It is read and exported only. Members see the reason.", IN_USE),
        "resume": Act(
            "Resume", ReasonForm, resume, "It becomes what it was before.", has(OrganizationStatus.SUSPENDED)
        ),
        "undo-deletion": Act(
            "Undo the deletion",
            ReasonForm,
            undo,
            "Everything is there as before, but a subscription that ended.",
            has(OrganizationStatus.DELETING),
        ),
    }

    @admin.display(description="Owners")
    def owners(self, row: Organization) -> str:
        owners = row.memberships.filter(role=Role.OWNER.value).select_related("user").order_by("pk")
        return ", ".join(membership.user.email for membership in owners)

    @admin.display(description="Agreed limits")
    def agreed_limits(self, row: Organization) -> str:
        return "; ".join(
            f"{one.resource.replace('_', ' ')}: {'unlimited' if one.limit is None else one.limit} ({one.reason})"
            for one in plans.overrides_of(row)
        )
