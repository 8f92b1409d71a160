"""Keys that somebody found in public: they stop at once, and whoever answers for them is told where they stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from procrastinate.contrib.django import app

from orgs import audit, keys
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import one_line, send_mail
from orgs.models import ApiKey, Organization, PlatformKey, User
from orgs.services.api_keys import revoke_api_key
from orgs.services.key_callers import callers_in_words
from orgs.services.key_warnings import admins_of
from orgs.services.passwords import MailServerDown
from orgs.services.platform_keys import revoke_platform_key
from orgs.tenancy import JOB, tenant_scope

LEAK_TASK = "mail_key_leak"
SHOWN_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Leak:
    """A text that looks like a key, where it stood, and in what: `content`, `commit`, `issue_body`, …"""

    text: str
    url: str = ""
    source: str = ""


def report_leaks(*, leaks: Iterable[Leak], reporter: Actor) -> list[bool]:
    """Of each, whether it is or was a key of ours. Outside any scope; one that works is revoked and told about."""
    actor = replace(reporter, kind="system", label="leak report")
    return [_report(leak, actor) for leak in leaks]


def tell_leak(*, api_key: ApiKey, where: str) -> None:
    """Mails the owners and admins once this commits: that the key is revoked, or that it should be rotated."""
    for person in admins_of(api_key.organization):
        app.configure_task(LEAK_TASK, allow_unknown=True).defer(
            organization=api_key.organization_id, person=person.pk, api_key=str(api_key.pk), url=where
        )


def mail_leak(*, organization_id: int, person_id: int, api_key_id: str, url: str) -> None:
    """In the worker; raises `MailServerDown`."""
    organization = Organization.objects.get(pk=organization_id)
    person = next((admin for admin in admins_of(organization) if admin.pk == person_id), None)
    if person is None:
        return
    with tenant_scope(organization, timeouts=JOB):
        api_key = organization.api_keys.get(pk=api_key_id)
        callers = callers_in_words(api_key)
    link = settings.BASE_URL + reverse("api_keys", kwargs={"slug": organization.slug})
    is_revoked = api_key.revoked_at is not None
    _mail(person, name=api_key.name, hint=api_key.hint, is_revoked=is_revoked, url=url, callers=callers, link=link)


def mail_platform_leak(*, person_id: int, api_key_id: str, url: str) -> None:
    """In the worker: a key of operators has no organization. Raises `MailServerDown`."""
    person = User.objects.filter(pk=person_id, is_staff=True, is_active=True).first()
    platform_key = PlatformKey.objects.get(pk=api_key_id)
    if person is not None:
        _mail(person, name=platform_key.name, hint=platform_key.hint, is_revoked=True, url=url, callers=[], link="")


def _report(leak: Leak, actor: Actor) -> bool:
    if keys.is_well_formed(leak.text):
        return _report_key(leak, actor)
    return keys.is_well_formed_platform_key(leak.text) and _report_platform_key(leak, actor)


def _report_key(leak: Leak, actor: Actor) -> bool:
    found = ApiKey.objects.select_related("organization").filter(digest=keys.digest(leak.text)).first()
    if found is None:
        return False
    with tenant_scope(found.organization):
        if found.organization.api_keys.select_for_update(no_key=True).get(pk=found.pk).is_usable:
            place = {"url": shown(leak.url), "source": shown(leak.source)}
            audit.record(Action.API_KEY_LEAKED, actor, target=found, after=place)
            revoke_api_key(api_key=found, actor=actor)
            tell_leak(api_key=found, where=place["url"])
    return True


def _report_platform_key(leak: Leak, actor: Actor) -> bool:
    with transaction.atomic():
        found = PlatformKey.objects.select_for_update().filter(digest=keys.digest(leak.text)).first()
        if found is None:
            return False
        if found.revoked_at is None:
            revoke_platform_key(name_or_id=str(found.pk), actor=actor)
            for person in User.objects.filter(is_staff=True, is_active=True):
                app.configure_task(LEAK_TASK, allow_unknown=True).defer(
                    organization=None, person=person.pk, api_key=str(found.pk), url=shown(leak.url)
                )
    return True


def shown(text: str) -> str:
    """What a reporter wrote, for the audit and for mails: short, on one line, and without the key itself."""
    for _, key in keys.found_in(text.encode(errors="replace")):
        text = text.replace(key, keys.hint(key))
    return one_line(text)[:SHOWN_CHARACTERS]


def _mail(person: User, *, name: str, hint: str, is_revoked: bool, url: str, callers: list[str], link: str) -> None:
    name = one_line(name)
    context = {"person": person, "name": name, "hint": hint, "is_revoked": is_revoked, "url": url}
    context |= {"callers": callers, "link": link}
    subject = f"The key {name} leaked and is revoked" if is_revoked else f"The key {name} leaked"
    if not send_mail("key_leaked", to=person.email, subject=subject, context=context):
        raise MailServerDown
