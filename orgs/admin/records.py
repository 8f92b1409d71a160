"""What operators did, who entered where, and the jobs."""

from __future__ import annotations

from django.contrib import admin
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs.admin_site import StaffModelAdmin
from orgs.models import PlatformEvent, SupportEntry


@admin.register(PlatformEvent)
class PlatformEventAdmin(StaffModelAdmin):
    list_display = ["created_at", "action", "actor_kind", "actor_label", "organization_slug", "target_label"]
    list_filter = ["actor_kind"]
    search_fields = ["action", "organization_slug", "actor_label"]
    ordering = ["-id"]
    fields = [
        "created_at",
        "action",
        "actor_kind",
        "actor_id",
        "actor_label",
        "organization_slug",
        "target_label",
        "before",
        "after",
        "ip_address",
        "user_agent",
        "request_id",
    ]


@admin.register(SupportEntry)
class SupportEntryAdmin(StaffModelAdmin):
    list_display = ["entered_at", "user", "organization", "reason", "ends_at", "left_at"]
    list_select_related = ["user", "organization"]
    search_fields = ["organization__slug", "user__email"]
    ordering = ["-entered_at"]
    fields = ["user", "organization", "reason", "entered_at", "ends_at", "left_at"]


@admin.register(ProcrastinateJob)
class JobAdmin(StaffModelAdmin):
    """Without what a job was given: it may hold an address."""

    title = "Jobs"
    list_display = ["id", "task_name", "status", "queue_name", "attempts", "scheduled_at"]
    list_filter = ["status"]
    search_fields = ["task_name"]
    ordering = ["-id"]
    fields = [
        "id",
        "task_name",
        "status",
        "queue_name",
        "lock",
        "queueing_lock",
        "priority",
        "attempts",
        "scheduled_at",
    ]
