from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from orgs.permissions import Role
        from orgs.settings_pages import SettingsPage, register_settings_page

        register_settings_page(SettingsPage("plan", "Plan", Role.VIEWER), before="access_review")
