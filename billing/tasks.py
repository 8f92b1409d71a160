"""The worker's tasks of billing. `manage.py procrastinate worker` finds them by this module's name."""

from __future__ import annotations

from procrastinate.contrib.django import app

from billing.services import reconciliation


@app.periodic(cron="* * * * *")
@app.task(name="confirm_checkouts", queueing_lock="confirm_checkouts")
def confirm_checkouts(timestamp: int) -> None:
    """Every minute: whoever paid waits in front of the page."""
    reconciliation.confirm_checkouts()


@app.periodic(cron="7 * * * *")
@app.task(name="reconcile_subscriptions", queueing_lock="reconcile_subscriptions")
def reconcile_subscriptions(timestamp: int) -> None:
    reconciliation.reconcile_subscriptions()
