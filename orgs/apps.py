from django.apps import AppConfig


class OrgsConfig(AppConfig):
    name = "orgs"
    verbose_name = "Organizations"

    def ready(self) -> None:
        from django.core.signals import request_started

        from orgs import checks  # noqa: F401  (registers the system checks)
        from orgs.tenancy import refuse_open_scope

        request_started.connect(refuse_open_scope)
