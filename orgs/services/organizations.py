"""Making organizations and changing what they are: name, slug, plan, settings."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from procrastinate.contrib.django import app

from dataxpipe.problems import Conflict, FieldError, Forbidden, ValidationFailed
from orgs import audit, due
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import Membership, Organization, OrganizationSlug, User
from orgs.models.organization import SETTINGS, validate_slug
from orgs.permissions import Role
from orgs.plans import PLANS
from orgs.services.email_confirmation import send_confirmation
from orgs.services.history import TRIM_HISTORY, TRIMMED_EVERY, promise_history
from orgs.services.second_factor import require_own_second_factor
from orgs.standing import require_standing
from orgs.tenancy import tenant_scope

REDIRECT_FOR = datetime.timedelta(days=90)
FALLBACK_SLUG = "data-team"
FOLLOW_TASK = "follow_parent_plan"


class SlugTaken(Conflict):
    slug = "slug-taken"
    title = "The slug is taken"
    about = "A slug belongs to one organization for good, also after it was renamed. `suggestions` lists free ones."


class EmailTaken(Conflict):
    slug = "email-taken"
    title = "The e-mail address has an account"
    about = "One account per address. Log in, and make the organization from there."


class PlanLacksFeature(Forbidden):
    slug = "plan-lacks-feature"
    title = "The plan does not include this"
    about = "The feature belongs to a larger plan; `feature` and `plan` say which is missing where."


@dataclass(frozen=True, slots=True)
class SignUp:
    user: User
    organization: Organization


def sign_up(
    *, email: str, password: str, organization_name: str, visitor: Actor, slug: str = "", name: str = ""
) -> SignUp:
    """A person and their organization, all or nothing; the confirmation mail leaves after the commit.

    Raises `EmailTaken`, `SlugTaken`, `ValidationFailed`. Without a slug one is made from the name.
    """
    with transaction.atomic():
        user = create_user(email, password, name)
        organization = create_organization(
            name=organization_name,
            slug=slug or suggest_slugs(organization_name)[0],
            owner=user,
            actor=visitor.signed_up_as(user, Role.OWNER),
        )
        transaction.on_commit(lambda: send_confirmation(user))
    return SignUp(user, organization)


def create_organization(
    *,
    name: str,
    slug: str,
    actor: Actor,
    owner: User | None = None,
    plan_name: str = "free",
    parent: Organization | None = None,
) -> Organization:
    """Outside any scope; milliseconds. Raises `SlugTaken`, `ValidationFailed`, `PlanLacksFeature`."""
    _require_slug(slug)
    _require_plan(plan_name)
    if parent is not None:
        require_standing(parent, changes=True)
        _require_parent(parent)
    with transaction.atomic():
        organization = _insert_organization(name=name, slug=slug, plan_name=plan_name, parent=parent)
        with tenant_scope(organization):
            created = {"slug": slug, "name": name, "plan": plan_name, "parent": parent.slug if parent else None}
            audit.record(Action.ORGANIZATION_CREATED, actor, target=organization, after=created)
            due.mark(TRIM_HISTORY, after=TRIMMED_EVERY)
            if owner is not None:
                add_member(organization=organization, user=owner, role=Role.OWNER, actor=actor)
    return organization


def add_member(*, organization: Organization, user: User, role: Role, actor: Actor) -> Membership:
    """In the organization's scope."""
    membership = Membership.objects.create(organization=organization, user=user, role=role.value)
    after = {"role": role.value}
    audit.record(Action.MEMBER_ADDED, actor, target=membership, target_label=user.email, after=after)
    return membership


def update_organization(
    *, organization: Organization, actor: Actor, name: str | None = None, settings: Mapping[str, str] | None = None
) -> Organization:
    """Changes the name and the given settings, in the organization's scope; audits what really changed."""
    _require_settings(settings or {})
    if (settings or {}).get("require_second_factor") == "yes" and not organization.requires_second_factor:
        require_own_second_factor(actor)
    organization = lock_organization(organization)
    wanted = {"name": name if name is not None else organization.name}
    wanted |= {f"settings.{key}": value for key, value in (settings or {}).items()}
    current = {"name": organization.name}
    current |= {f"settings.{key}": organization.setting(key) for key in settings or {}}
    changed = [key for key in wanted if wanted[key] != current[key]]
    if not changed:
        return organization
    organization.name = wanted["name"]
    organization.settings = {**organization.settings, **(settings or {})}
    organization.save(update_fields=["name", "settings", "updated_at"])
    audit.record(
        Action.ORGANIZATION_UPDATED,
        actor,
        target=organization,
        before={key: current[key] for key in changed},
        after={key: wanted[key] for key in changed},
    )
    return organization


def change_plan(*, organization: Organization, plan_name: str, actor: Actor, reason: str = "") -> Organization:
    """The one way to another plan, for operators and for billing; enters the organization's scope itself."""
    _require_plan(plan_name)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        before = organization.plan_name
        if before == plan_name:
            return organization
        promise_history(organization)
        organization.plan_name = plan_name
        organization.save(update_fields=["plan_name", "updated_at"])
        audit.record(
            Action.ORGANIZATION_PLAN_CHANGED,
            actor,
            target=organization,
            before={"plan": before},
            after={"plan": plan_name, "reason": reason},
        )
        if organization.parent_id is None:  # its parts, if any, are hidden from this scope
            task = app.configure_task(FOLLOW_TASK, allow_unknown=True)
            task.defer(parent_id=organization.pk, former_plan=before)
    return organization


def follow_parent_plan(*, parent_id: int, former_plan: str) -> int:
    """Sub-organizations that had their parent's former plan get the one it has now; answers how many. By the worker.

    Outside any scope; one that an operator gave another plan keeps it.
    """
    parent = Organization.objects.get(pk=parent_id)
    following = parent.children.filter(plan_name=former_plan).exclude(plan_name=parent.plan_name)
    for child in following:
        reason = f"{parent.slug} moved to it"
        change_plan(organization=child, plan_name=parent.plan_name, actor=Actor.system("parent's plan"), reason=reason)
    return len(following)


def rename_slug(*, organization: Organization, slug: str, actor: Actor) -> Organization:
    """A new address, in the organization's scope. The old one redirects for 90 days and is never issued again."""
    _require_slug(slug)
    organization = lock_organization(organization)
    before = organization.slug
    if slug == before:
        return organization
    now = timezone.now()
    OrganizationSlug.objects.update_or_create(slug=before, organization=organization, defaults={"ended_at": now})
    try:
        with transaction.atomic():
            OrganizationSlug.objects.update_or_create(slug=slug, organization=organization, defaults={"ended_at": None})
            organization.slug = slug
            organization.save(update_fields=["slug", "updated_at"])
    except IntegrityError as error:
        raise SlugTaken(f"{slug} belongs to another organization, or once did.") from error
    audit.record(Action.ORGANIZATION_RENAMED, actor, target=organization, before={"slug": before}, after={"slug": slug})
    return organization


def organization_once_called(slug: str, among: Iterable[Organization]) -> Organization | None:
    """The one of these organizations that had this slug within the last 90 days."""
    by_id = {organization.pk: organization for organization in among}
    former = OrganizationSlug.objects.filter(
        slug=slug, organization_id__in=by_id, ended_at__gt=timezone.now() - REDIRECT_FOR
    ).first()
    return by_id[former.organization_id] if former and former.organization_id else None


def suggest_slugs(name: str, *, count: int = 3) -> list[str]:
    """Free slugs that resemble the name, the plainest first. Outside any scope: others' slugs are looked at."""
    candidates = list(_candidates(name))
    taken = set(OrganizationSlug.objects.filter(slug__in=candidates).values_list("slug", flat=True))
    taken |= set(Organization.objects.filter(slug__in=candidates).values_list("slug", flat=True))
    return [slug for slug in candidates if slug not in taken][:count]


def create_user(email: str, password: str, name: str) -> User:
    """Raises `EmailTaken`."""
    try:
        with transaction.atomic():
            return User.objects.create_user(email, password, name=name)
    except IntegrityError as error:
        raise EmailTaken("If this is your address, log in and make the organization from there.") from error


def lock_organization(organization: Organization) -> Organization:
    """For what is decided about the organization as a whole: one writer at a time, and the row as it is now."""
    return Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _candidates(name: str) -> Iterator[str]:
    base = slugify(name).replace("_", "-")[:34].strip("-")
    for stem in (base, f"{base}-data", FALLBACK_SLUG):
        for slug in (stem, *(f"{stem}-{number}" for number in range(2, 12))):
            if _is_valid(slug):
                yield slug
    yield f"{FALLBACK_SLUG}-{timezone.now():%Y%m%d%H%M%S}"


def _is_valid(slug: str) -> bool:
    try:
        validate_slug(slug)
    except ValidationError:
        return False
    return True


def _insert_organization(**fields: Any) -> Organization:
    try:
        with transaction.atomic():
            organization = Organization.objects.create(**fields)
            OrganizationSlug.objects.create(organization=organization, slug=organization.slug)
    except IntegrityError as error:
        suggestions = suggest_slugs(fields["slug"])
        raise SlugTaken(
            f"{fields['slug']} is taken. Free is {', '.join(suggestions)}.", suggestions=suggestions
        ) from error
    return organization


def _require_slug(slug: str) -> None:
    try:
        validate_slug(slug)
    except ValidationError as error:
        defect = FieldError(error.code or "invalid", error.messages[0], pointer="/slug")
        raise ValidationFailed(error.messages[0], errors=[defect]) from error


def _require_plan(plan_name: str) -> None:
    if plan_name not in PLANS:
        detail = f"Plans are {', '.join(PLANS)}."
        raise ValidationFailed(detail, errors=[FieldError("unknown", detail, pointer="/plan")])


def _require_parent(parent: Organization) -> None:
    if parent.parent_id is not None:
        raise Conflict(f"{parent.slug} is a sub-organization itself; only one level is kept.")
    if "sub_organizations" not in parent.plan.features:
        raise PlanLacksFeature(
            f"The {parent.plan.label} plan of {parent.slug} has no sub-organizations.",
            feature="sub_organizations",
            plan=parent.plan_name,
        )


def _require_settings(settings: Mapping[str, str]) -> None:
    errors = []
    for name, value in settings.items():
        if name not in SETTINGS:
            errors.append(FieldError("unknown", f"Settings are {', '.join(SETTINGS)}.", pointer=f"/settings/{name}"))
        elif value not in SETTINGS[name]:
            allowed = ", ".join(SETTINGS[name])
            errors.append(FieldError("invalid", f"One of {allowed}.", pointer=f"/settings/{name}"))
    if errors:
        raise ValidationFailed("The settings are not valid.", errors=errors)
