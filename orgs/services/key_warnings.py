"""Mails before a key ends: 14 days, 3 days and 1 day before and as it ends, once each, to owners and admins.

The worker is marked for the next of these moments. Each mail is a job of its own, made in the transaction that
notes the warning, so a mail server that is down delays a warning and loses none.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.types import JSONValue

from orgs import due
from orgs.mail import one_line, send_mail
from orgs.models import ApiKey, Organization, User
from orgs.permissions import Role
from orgs.services.key_callers import callers_in_words
from orgs.services.passwords import MailServerDown
from orgs.tenancy import JOB, current_organization, tenant_scope

WARNED_DAYS = (14, 3, 1, 0)
# Keys that are made for less were meant to end soon.
LEAST_LIFE = datetime.timedelta(days=1)
TOLD_AT_LATEST = datetime.timedelta(days=7)
WARNING_TASK = "mail_key_warning"


def mark_warnings(api_key: ApiKey) -> None:
    """In the organization's scope, whenever the end of a key was decided."""
    if following := next((moment for _, moment in _outstanding(api_key) if moment > timezone.now()), None):
        due.mark_at(due.KEY_WARNINGS, following)


def warn_of_ends() -> None:
    """The worker's handler: in the organization's scope."""
    now = timezone.now()
    ending = current_organization().api_keys.filter(revoked_at=None, expires_at__gt=now - TOLD_AT_LATEST)
    warned: dict[str, JSONValue] = {}
    for api_key in ending.select_related("successor").select_for_update(of=("self",), no_key=True):
        passed = [days for days, moment in _outstanding(api_key) if moment <= now]
        if passed:
            api_key.warned_days = min(passed)
            api_key.save(update_fields=["warned_days"])
            if _is_worth_telling(api_key):
                warned[str(api_key.pk)] = min(passed)
        mark_warnings(api_key)
    if warned:
        for person in admins_of(current_organization()):
            app.configure_task(WARNING_TASK, allow_unknown=True).defer(
                organization=current_organization().pk, person=person.pk, days_by_key=warned
            )


def mail_warning(*, organization_id: int, person_id: int, days_by_key: Mapping[str, int]) -> None:
    """In the worker. Who lost the role meanwhile, or a key that was revoked, is left out; raises `MailServerDown`."""
    organization = Organization.objects.get(pk=organization_id)
    person = next((admin for admin in admins_of(organization) if admin.pk == person_id), None)
    if person is None:
        return
    with tenant_scope(organization, timeouts=JOB):
        api_keys = organization.api_keys.filter(pk__in=list(days_by_key), revoked_at=None).order_by("expires_at")
        endings = [Ending.of(api_key, days_by_key[str(api_key.pk)]) for api_key in api_keys]
    if not endings:
        return
    link = settings.BASE_URL + reverse("api_keys", kwargs={"slug": organization.slug})
    context = {"person": person, "organization_name": one_line(organization.name), "endings": endings, "link": link}
    if not send_mail("key_ends", to=person.email, subject=_subject(endings), context=context):
        raise MailServerDown


def admins_of(organization: Organization) -> list[User]:
    """Owners and admins who can still log in."""
    people = User.objects.filter(
        memberships__organization=organization,
        memberships__role__in=[Role.OWNER.value, Role.ADMIN.value],
        is_active=True,
    )
    return list(people.order_by("pk"))


@dataclass(frozen=True, slots=True)
class Ending:
    """A key as a mail tells of it: never its text."""

    name: str
    hint: str
    ends_at: datetime.datetime | None
    days: int
    has_successor: bool
    callers: Collection[str]

    @classmethod
    def of(cls, api_key: ApiKey, days: int) -> Ending:
        return cls(
            name=one_line(api_key.name),
            hint=api_key.hint,
            ends_at=api_key.expires_at,
            days=days,
            has_successor=api_key.successor_id is not None,
            callers=callers_in_words(api_key),
        )

    @property
    def when(self) -> str:
        """`ends in 3 days`, `ends within a day`, `has ended`."""
        if self.days > 1:
            return f"ends in {self.days} days"
        return "ends within a day" if self.days else "has ended"


def _outstanding(api_key: ApiKey) -> Iterator[tuple[int, datetime.datetime]]:
    """Days and moments that lie behind the making, or the rotation, of the key, and were not warned of yet."""
    if api_key.expires_at is None or api_key.expires_at - api_key.created_at < LEAST_LIFE:
        return
    decided_at = api_key.successor.created_at if api_key.successor else api_key.created_at
    for days in WARNED_DAYS:
        moment = api_key.expires_at - datetime.timedelta(days=days)
        if moment > decided_at and (api_key.warned_days is None or days < api_key.warned_days):
            yield days, moment


def _is_worth_telling(api_key: ApiKey) -> bool:
    """Whoever rotated a key knows its end: what is news is that somebody still uses it."""
    if api_key.successor is None:
        return True
    return api_key.last_used_at is not None and api_key.last_used_at > api_key.successor.created_at


def _subject(endings: list[Ending]) -> str:
    if len(endings) == 1:
        return f"The API key {endings[0].name} {endings[0].when}"
    return f"{len(endings)} API keys end"
