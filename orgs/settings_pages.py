"""The settings of an organization: apps register their pages here, the tabs show them in this order."""

from __future__ import annotations

from dataclasses import dataclass

from orgs.permissions import Role


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """`name` is the URL's name and takes the slug; the tab is shown from `role` on."""

    name: str
    label: str
    role: Role = Role.ADMIN


SETTINGS_PAGES = [
    SettingsPage("settings", "General"),
    SettingsPage("members", "Members"),
    SettingsPage("api_keys", "API keys"),
    SettingsPage("usage", "Usage"),
    SettingsPage("trusted_publishers", "Publishers"),
    SettingsPage("access_review", "Access review"),
    SettingsPage("audit_log", "Audit log"),
    SettingsPage("danger_zone", "Danger zone", Role.OWNER),
]


def register_settings_page(page: SettingsPage, *, before: str = "audit_log") -> None:
    """Puts a page in front of another one; apps call it in `ready()`."""
    names = [known.name for known in SETTINGS_PAGES]
    if page.name not in names:
        SETTINGS_PAGES.insert(names.index(before), page)
