"""What the worker does with marks in `Due`: claims them, then runs the handler of their kind in a scope of its own.

A claimed mark gets another name (`seal_audit:claimed`), so that a change made meanwhile leaves a mark anew
instead of relying on one that is being worked off. It runs a moment later: whoever found the mark in place just
before it was claimed has committed by then. A worker that dies leaves the claim, and the lease runs out.
"""

from __future__ import annotations

import logging
import time

from django.db import connection

from orgs.due import handler_of
from orgs.models import Due, Organization, OrganizationStatus
from orgs.tenancy import JOB, tenant_scope

CLAIMED = ":claimed"
GRACE_SECONDS = 2
LEASE_SECONDS = 600
RETRY_SECONDS = 60

logger = logging.getLogger(__name__)

CLAIM = """
    UPDATE orgs_due SET kind = kind || ':claimed', due_at = clock_timestamp() + make_interval(secs => %s)
    WHERE id IN (
        SELECT id FROM orgs_due d
        WHERE due_at <= clock_timestamp() AND kind NOT LIKE '%%:claimed' AND NOT EXISTS (
            SELECT FROM orgs_due c WHERE c.organization_id = d.organization_id AND c.kind = d.kind || ':claimed')
        ORDER BY due_at LIMIT 500 FOR UPDATE SKIP LOCKED)
"""
TAKE = """
    UPDATE orgs_due SET due_at = clock_timestamp() + make_interval(secs => %s)
    WHERE id = (
        SELECT id FROM orgs_due WHERE due_at <= clock_timestamp() AND kind LIKE '%%:claimed'
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
"""
RETRY = "UPDATE orgs_due SET due_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s"


def run_due_work(*, for_seconds: float = 50) -> int:
    """Works off what is due now, for at most this long; returns how many marks were done. Outside any scope."""
    deadline, done = time.monotonic() + for_seconds, 0
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [GRACE_SECONDS])
    while time.monotonic() < deadline and (due := _take()):
        done += _run(due)
    return done


def _take() -> Due | None:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [LEASE_SECONDS])
        row = cursor.fetchone()
    return Due.objects.get(pk=row[0]) if row else None


def _run(due: Due) -> bool:
    kind = due.kind.removesuffix(CLAIMED)
    handler = handler_of(kind)
    if handler is None:
        logger.error("nothing is registered for due work of kind %s", kind)
        return False
    organization = Organization.objects.get(pk=due.organization_id)
    if organization.status == OrganizationStatus.MOVING:
        _retry(due)  # what changes now would not move along
        return False
    try:
        with tenant_scope(organization, timeouts=JOB):
            handler()
    except Exception:
        logger.exception("%s for organization %s failed and is tried again", kind, due.organization_id)
        _retry(due)
        return False
    Due.objects.filter(pk=due.pk).delete()
    return True


def _retry(due: Due) -> None:
    with connection.cursor() as cursor:
        cursor.execute(RETRY, [RETRY_SECONDS, due.pk])
