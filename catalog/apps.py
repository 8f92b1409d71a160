from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        from catalog.models import Connection, Pipeline
        from orgs.plans import register_meter

        register_meter("pipelines", lambda: int(Pipeline.objects.counted().count()))
        register_meter("connections", lambda: int(Connection.objects.count()))
