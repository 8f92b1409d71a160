"""Histories that become shorter: what is beyond hides at once, and is deleted 30 days and two mails later.

Whatever made the limit smaller, a plan, an agreement or its end, the worker's daily look finds it. Before limits are
changed on purpose, what was promised so far is written down and the look is taken at once.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from orgs import due
from orgs.actors import Actor
from orgs.audit import Action, record
from orgs.mail import one_line, send_mail
from orgs.models import KeptHistory, Organization, OrganizationStatus, User
from orgs.permissions import Role
from orgs.plans import HISTORIES, history_days
from orgs.services.passwords import MailServerDown
from orgs.tenancy import current_organization, tenant_scope

REVIEW_HISTORY = "review_history"
TRIM_HISTORY = "trim_history"
TRIMMED_EVERY = datetime.timedelta(days=1)
HISTORY_TASK = "mail_history_shortened"
WHAT = {"run_history_days": "Runs and check results", "raw_event_days": "Raw OpenLineage events"}


def promise_history(organization: Organization) -> None:
    """In the organization's scope, before its limits change: what they are is kept until the change was announced."""
    rows = [KeptHistory(resource=resource, days=history_days(organization, resource)) for resource in HISTORIES]
    KeptHistory.objects.bulk_create(rows, ignore_conflicts=True)
    due.mark(REVIEW_HISTORY)


def review_history() -> dict[str, int]:
    """The worker's handler, in the organization's scope: announces what became shorter, reminds of it, and in the end
    lets it happen. Answers for how many days each kind of rows is to be kept from deletion now."""
    organization, now = current_organization(), timezone.now()
    rows = _kept(organization)
    if organization.status == OrganizationStatus.DELETING:
        return {row.resource: row.days for row in rows}  # all of it goes, or none, when the deletion is undone
    began = [row for row in rows if _follow_limit(row, history_days(organization, row.resource), now)]
    reminded = [row for row in rows if row not in began and _is_to_remind(row, now)]
    for row in reminded:
        row.reminded_at = now
    over = [row for row in rows if row.reminded_at and row.deletes_at and row.deletes_at <= now]
    for row in over:
        before, after = {"resource": row.resource, "days": row.days}, {"days": row.shortened_to}
        record(
            Action.ORGANIZATION_HISTORY_SHORTENED,
            Actor.system("worker"),
            target=organization,
            before=before,
            after=after,
        )
        row.days = row.shortened_to or 0
        _forget_shortening(row)
    KeptHistory.objects.bulk_update(rows, ["days", "shortened_to", "shortened_at", "reminded_at"])
    _announce(began, is_reminder=False)
    _announce(reminded, is_reminder=True)
    return {row.resource: row.days for row in rows}


def shortenings() -> list[KeptHistory]:
    """What hides now and is deleted later, in the organization's scope."""
    return list(KeptHistory.objects.exclude(shortened_at=None).order_by("resource"))


def mail_history_shortened(
    *, organization_id: int, person_id: int, resources: Sequence[str], is_reminder: bool
) -> None:
    """In the worker. What was undone meanwhile, or a person who is no owner any more, is left out; raises
    `MailServerDown`."""
    organization = Organization.objects.get(pk=organization_id)
    person = next((owner for owner in _owners(organization) if owner.pk == person_id), None)
    with tenant_scope(organization):
        rows = [row for row in shortenings() if row.resource in resources]
    if person is None or not rows:
        return
    deletes_at = min(row.deletes_at for row in rows if row.deletes_at)
    name = one_line(organization.name)
    context = {
        "person": person,
        "organization_name": name,
        "is_reminder": is_reminder,
        "rows": [{"what": WHAT[row.resource], "days": row.shortened_to, "before": row.days} for row in rows],
        "deletes_at": deletes_at,
        "link": f"{settings.BASE_URL}/o/{organization.slug}/settings/billing/",
    }
    when = f"{deletes_at:%-d %B %Y}"
    subject = f"{name}: older history is deleted on {when}" if is_reminder else f"{name} keeps a shorter history now"
    if not send_mail("history_shortened", to=person.email, subject=subject, context=context):
        raise MailServerDown


def _kept(organization: Organization) -> list[KeptHistory]:
    rows = KeptHistory.objects.select_for_update(no_key=True).order_by("resource")
    found = list(rows)
    if len(found) < len(HISTORIES):
        new = [KeptHistory(resource=resource, days=history_days(organization, resource)) for resource in HISTORIES]
        KeptHistory.objects.bulk_create(new, ignore_conflicts=True)
        found = list(rows.all())
    return found


def _follow_limit(row: KeptHistory, limit: int, now: datetime.datetime) -> bool:
    """Whether this is a shortening to be told of. A second one starts anew; one of which a part is undone goes on."""
    if limit >= row.days:
        row.days = limit
        _forget_shortening(row)
        return False
    is_news = row.shortened_to is None or limit < row.shortened_to
    row.shortened_to = limit
    if is_news:
        row.shortened_at, row.reminded_at = now, None
    return is_news


def _is_to_remind(row: KeptHistory, now: datetime.datetime) -> bool:
    return row.reminded_at is None and row.reminds_at is not None and row.reminds_at <= now


def _forget_shortening(row: KeptHistory) -> None:
    row.shortened_to = row.shortened_at = row.reminded_at = None


def _announce(rows: Sequence[KeptHistory], *, is_reminder: bool) -> None:
    """A job for each owner, in the transaction that notes it: a mail server that is down delays it and loses none."""
    if not rows:
        return
    for person in _owners(current_organization()):
        app.configure_task(HISTORY_TASK, allow_unknown=True).defer(
            organization=current_organization().pk,
            person=person.pk,
            resources=[row.resource for row in rows],
            is_reminder=is_reminder,
        )
    for moment in (_next_moment(row) for row in rows):
        due.mark_at(TRIM_HISTORY, moment)


def _next_moment(row: KeptHistory) -> datetime.datetime:
    moment: Any = row.deletes_at if row.reminded_at else row.reminds_at
    return moment  # type: ignore[no-any-return]


def _owners(organization: Organization) -> list[User]:
    owners = User.objects.filter(
        memberships__organization=organization, memberships__role=Role.OWNER.value, is_active=True
    )
    return list(owners.order_by("pk"))
