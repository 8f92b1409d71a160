"""Keys by what may be shown of them: never a digest, never a text."""

from __future__ import annotations

from django.contrib import admin

from orgs.admin_site import StaffModelAdmin
from orgs.models import ApiKey, PlatformKey


@admin.register(ApiKey)
class ApiKeyAdmin(StaffModelAdmin):
    title = "API keys"
    list_display = ["name", "hint", "organization", "status", "created_by_label", "expires_at", "last_used_at"]
    list_select_related = ["organization"]
    search_fields = ["name", "last_characters", "organization__slug"]
    ordering = ["-created_at"]
    fields = [
        "name",
        "hint",
        "organization",
        "status",
        "scopes",
        "allowed_cidrs",
        "created_by_label",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    readonly_fields = ["hint", "status"]


@admin.register(PlatformKey)
class PlatformKeyAdmin(StaffModelAdmin):
    list_display = ["name", "hint", "created_at", "last_used_at", "revoked_at"]
    search_fields = ["name", "last_characters"]
    ordering = ["-created_at"]
    fields = ["name", "hint", "created_at", "last_used_at", "revoked_at"]
    readonly_fields = ["hint"]
