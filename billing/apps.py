from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing.services.subscriptions import cancel_subscriptions
        from orgs.permissions import Role
        from orgs.services.deletion import call_before_deletion
        from orgs.settings_pages import SettingsPage, register_settings_page

        call_before_deletion(cancel_subscriptions)
        register_settings_page(SettingsPage("plan", "Plan", Role.VIEWER), before="access_review")
