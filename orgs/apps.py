from django.apps import AppConfig


class OrgsConfig(AppConfig):
    name = "orgs"
    verbose_name = "Organizations"

    def ready(self) -> None:
        from django.core.signals import request_started

        from orgs import checks, due, idempotency  # noqa: F401  (checks register themselves)
        from orgs.services.audit import seal_pending
        from orgs.services.audit_anchors import anchor_chain
        from orgs.services.history import REVIEW_HISTORY, review_history
        from orgs.services.key_warnings import warn_of_ends
        from orgs.services.usage.levels import mark_measuring, measure_usage
        from orgs.tenancy import refuse_open_scope

        request_started.connect(refuse_open_scope)
        due.register_handler(REVIEW_HISTORY, review_history)

        def follow_changes() -> None:
            seal_pending()
            mark_measuring()

        due.register_handler(due.SEAL_AUDIT, follow_changes)
        due.register_handler(due.MEASURE_USAGE, measure_usage)
        due.register_handler(due.KEY_WARNINGS, warn_of_ends)
        due.register_handler(due.ANCHOR_AUDIT, anchor_chain)
        due.register_handler(due.FORGET_IDEMPOTENCY, idempotency.forget_old_records)
