"""Two rows that turn out to be one run: a native report and an event came before it was known."""

from __future__ import annotations

from uuid import UUID

from catalog.models import CheckResult, FacetUse, Run
from dataxpipe.postgres.bulk import update_rows


def hand_over(twin_id: UUID, run_id: UUID) -> None:
    """Gives what hangs on the twin to the run, and removes the twin. What both have, the later keeps."""
    Run.objects.filter(parent_run_id=twin_id).update(parent_run_id=run_id)
    _hand_over_results(twin_id, run_id)
    kept = {use.name: use for use in FacetUse.objects.filter(subject_id=run_id)}
    for use in FacetUse.objects.filter(subject_id=twin_id):
        if use.name in kept and use.event_time <= kept[use.name].event_time:
            use.delete()
            continue
        if use.name in kept:
            kept[use.name].delete()
        use.subject_id = run_id
        use.save(update_fields=["subject_id"])
    Run.objects.filter(id=twin_id).delete()


def _hand_over_results(twin_id: UUID, run_id: UUID) -> None:
    results = list(CheckResult.objects.filter(run_id__in=[twin_id, run_id]))
    best: dict[UUID, CheckResult] = {}
    for result in sorted(results, key=lambda result: result.rank):
        best[result.check_rule_id] = result
    CheckResult.objects.filter(id__in=[one.id for one in results if best[one.check_rule_id] is not one]).delete()
    for result in best.values():
        result.run_id = run_id
    update_rows(best.values(), ["run_id"])
