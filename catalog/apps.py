from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        from catalog.models import Connection, Pipeline
        from catalog.services.discovered import FORGET_DISCOVERED, forget_discovered
        from catalog.services.lineage_events.replay import apply_pending
        from catalog.services.next_starts import next_starts
        from catalog.services.pipeline_shares import shares_of_runs
        from catalog.services.pipelines import PURGE_PIPELINES
        from catalog.services.purges import purge_deleted_pipelines
        from catalog.services.retention import trim_history
        from catalog.services.run_book import MARK_LOST_RUNS
        from catalog.services.runs import mark_lost_runs
        from orgs import due
        from orgs.plans import register_meter
        from orgs.services.history import TRIM_HISTORY
        from orgs.services.key_callers import register_next_starts
        from orgs.services.usage.shares import register_pipeline_shares

        register_meter("pipelines", lambda: int(Pipeline.objects.counted().count()))
        register_meter("connections", lambda: int(Connection.objects.count()))
        due.register_handler(MARK_LOST_RUNS, mark_lost_runs)
        due.register_handler(FORGET_DISCOVERED, forget_discovered)
        due.register_handler(due.APPLY_EVENTS, apply_pending)
        due.register_handler(TRIM_HISTORY, trim_history)
        due.register_handler(PURGE_PIPELINES, purge_deleted_pipelines)
        register_next_starts(next_starts)
        register_pipeline_shares(shares_of_runs)
