"""One binding, three walls: the only way into tenant data is `with tenant_scope(organization):`.

The scope opens a transaction, tells PostgreSQL which organization it serves, and binds a context variable
for `TenantManager`. Row-level security and composite keys stand behind it (`dataxpipe.postgres`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from psycopg.pq import TransactionStatus

from dataxpipe.postgres.bulk import insert_rows
from dataxpipe.postgres.fields import OrganizationKey
from dataxpipe.postgres.walls import SETTING

if TYPE_CHECKING:
    from orgs.models import Organization

CONTROL_TABLES = {
    "orgs_organization": "the tenants themselves, found by slug before one is known",
    "orgs_organizationslug": "former slugs redirect and are never issued again",
    "orgs_membership": "a person's organizations are loaded when they are authenticated",
    "orgs_formermembership": "where a person was a member is asked when their account ends, for every organization",
    "orgs_refusal": "counted outside scopes, so that it outlives the request that was rolled back",
    "orgs_invitation": "whoever opens the link is no member yet, and the link names the organization",
    "orgs_apikey": "a credential names its organization",
    "orgs_apikeyuse": "counted outside scopes, so that a refused request is remembered",
    "billing_subscription": "a webhook names a customer of Stripe, and the organization is found by it",
    "billing_checkoutsession": "the worker looks for payments whose webhook never came, in all organizations",
    "orgs_usagecount": "counted outside scopes, many organizations in one statement",
    "orgs_usagelevel": "levels of every organization are thinned out in one statement",
    "orgs_trustedpublisher": "a CI platform's token is looked at before anything else is known of its sender",
    "orgs_supportentry": "staff who entered are found before the organization is bound",
    "orgs_due": "the worker must find work without visiting every tenant",
}


class TenantScopeRequired(RuntimeError):
    """Tenant data was asked for outside `tenant_scope`, or in another organization's scope."""


class TenantScopeNested(RuntimeError):
    """A scope was opened inside the scope of another organization."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one statement may run and wait for a lock, in milliseconds. 0 is no limit."""

    statement: int
    lock: int


REQUEST = Timeouts(statement=5_000, lock=2_000)
SHORT_REQUEST = Timeouts(statement=3_000, lock=1_000)
JOB = Timeouts(statement=300_000, lock=10_000)


@dataclass(slots=True)
class Binding:
    organization: Organization
    using: str = DEFAULT_DB_ALIAS
    is_abandoned: bool = False
    before_exit: dict[str, Callable[[], None]] = field(default_factory=dict)


_binding: ContextVar[Binding | None] = ContextVar("dataxpipe_binding", default=None)

_BIND = f"""
    SELECT set_config('{SETTING}', %s, true), set_config('statement_timeout', %s, true),
           set_config('lock_timeout', %s, true)
"""


def current_organization() -> Organization:
    """The organization of the scope; raises `TenantScopeRequired` outside one."""
    binding = _binding.get()
    if binding is None:
        raise TenantScopeRequired("tenant data is reached only inside tenant_scope()")
    return binding.organization


def is_scope_open() -> bool:
    return _binding.get() is not None


def before_scope_exit(name: str, work: Callable[[], None]) -> None:
    """Runs `work` once, by name, as the last statements of the scope: for rows that many writers contend for."""
    binding = _binding.get()
    if binding is None:
        raise TenantScopeRequired("there is no scope to exit")
    binding.before_exit.setdefault(name, work)


def roll_back() -> None:
    """The open scope ends without its changes: for every answer from 400 on, which left no exception to do it."""
    binding = _binding.get()
    if binding is None:
        raise TenantScopeRequired("there is no scope to roll back")
    binding.is_abandoned = True
    transaction.set_rollback(True, using=binding.using)


def refuse_open_scope(**kwargs: Any) -> None:
    """Receives `request_started`: a scope that an earlier request left open must not serve this one."""
    if _binding.get() is not None:
        raise RuntimeError("an organization is still bound from an earlier request")


@contextlib.contextmanager
def tenant_scope(organization: Organization, *, timeouts: Timeouts | None = None) -> Iterator[None]:
    """Binds the organization for one transaction, with the time-outs of its plan if none are given.

    Inside its own scope a no-op; inside another's, an error.
    """
    bound = _binding.get()
    if bound is not None:
        if bound.organization.pk != organization.pk:
            raise TenantScopeNested(f"{bound.organization.slug} is bound, {organization.slug} was asked for")
        yield
        return
    timeouts = timeouts or organization.plan.timeouts
    binding = Binding(organization)
    connection = connections[binding.using]
    is_nested = connection.in_atomic_block
    with transaction.atomic(binding.using):
        with connection.cursor() as cursor:
            before = _current_settings(cursor) if is_nested else []
            cursor.execute(_BIND, [str(organization.pk), str(timeouts.statement), str(timeouts.lock)])
        # Unbound before COMMIT, so that on_commit callbacks enter a scope of their own.
        token = _binding.set(binding)
        try:
            yield
            _refuse_swallowed_failure(connection, binding)
            if not connection.needs_rollback:
                # By name, so that two scopes never wait for each other's rows in a circle.
                for _, work in sorted(binding.before_exit.items()):
                    work()
        finally:
            _binding.reset(token)
        if is_nested and not connection.needs_rollback:
            # Releasing a savepoint keeps SET LOCAL, so the outer transaction would stay bound.
            with connection.cursor() as cursor:
                cursor.execute(_BIND, before)


def scoped_stream(organization: Organization, next_page: Callable[[Any], tuple[bytes, Any]]) -> Iterator[bytes]:
    """The chunks of a streamed body, which is read after the view's scope has ended: each in a scope of its own.

    `next_page(position)` answers a chunk and where the next one begins, by keyset; `position` is None at first,
    and None ends the stream.
    """
    position = None
    while True:
        with tenant_scope(organization):
            chunk, position = next_page(position)
        yield chunk
        if position is None:
            return


def _refuse_swallowed_failure(connection: Any, binding: Binding) -> None:
    """After a failed statement PostgreSQL answers COMMIT with a rollback, silently: success would be a lie."""
    raw = connection.connection
    has_failed = raw is not None and raw.info.transaction_status == TransactionStatus.INERROR
    if has_failed and not binding.is_abandoned:
        raise transaction.TransactionManagementError(
            "a statement failed inside the scope and the error was swallowed: catch it outside of an atomic() block"
        )


def _current_settings(cursor: Any) -> list[str]:
    cursor.execute(
        f"SELECT coalesce(current_setting('{SETTING}', true), ''), current_setting('statement_timeout'),"
        " current_setting('lock_timeout')"
    )
    return list(cursor.fetchone())


M = TypeVar("M", bound=models.Model)


class TenantQuerySet(models.QuerySet[M]):
    """A queryset of one organization; evaluating it in another scope, or in none, raises."""

    _organization_id: int | None = None

    def of(self, organization_id: int) -> Self:
        queryset = self.filter(organization_id=organization_id)
        queryset._organization_id = organization_id
        return queryset

    def _clone(self) -> Self:
        clone = super()._clone()  # type: ignore[misc]
        clone._organization_id = self._organization_id
        return clone  # type: ignore[no-any-return]

    @property
    def db(self) -> str:
        """Every evaluation asks for its database here, which makes this the one place to check the scope."""
        bound = current_organization().pk
        if self._organization_id != bound:
            raise TenantScopeRequired(f"built for organization {self._organization_id}, evaluated in {bound}")
        return super().db

    def bulk_create(  # type: ignore[override]
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Sequence[str] = (),
        unique_fields: Sequence[str] = (),
    ) -> list[M]:
        """As Django's, in one statement a batch whose text does not grow with the rows."""
        objs = list(objs)
        for obj in objs:
            _claim(obj)
        using, conflict = self.db, ""
        if ignore_conflicts:
            conflict = "DO NOTHING"
        elif update_conflicts:
            unique, updated = (", ".join(map(self._column, names)) for names in (unique_fields, update_fields))
            new = ", ".join(f"EXCLUDED.{self._column(name)}" for name in update_fields)
            conflict = f"({unique}) DO UPDATE SET ({updated}) = ROW({new})"
        size = batch_size or max(len(objs), 1)
        with transaction.atomic(using, savepoint=False):
            for first in range(0, len(objs), size):
                insert_rows(objs[first : first + size], conflict=conflict)
        for obj in objs:
            obj._state.adding, obj._state.db = False, using
        return objs

    def _column(self, name: str) -> str:
        field: Any = self.model._meta.get_field(name)
        return f'"{field.column}"'

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        objs = list(objs)
        for obj in objs:
            _claim(obj)
        return super().bulk_update(objs, fields, batch_size)


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]
    """Scopes every query to the bound organization and fills it in on every insert."""

    def get_queryset(self) -> TenantQuerySet[Any]:
        return super().get_queryset().of(current_organization().pk)  # type: ignore[no-any-return]


def _claim(obj: models.Model) -> None:
    """Fills in the organization; refuses a row of another one."""
    bound = current_organization().pk
    if obj.organization_id is None:  # type: ignore[attr-defined]
        obj.organization_id = bound  # type: ignore[attr-defined]
    elif obj.organization_id != bound:  # type: ignore[attr-defined]
        raise TenantScopeRequired(f"a row of organization {obj.organization_id} in the scope of {bound}")  # type: ignore[attr-defined]


class TenantModel(models.Model):
    """A row of one organization. Catalog code never mentions the organization: the scope does."""

    organization = OrganizationKey()

    objects: ClassVar[TenantManager] = TenantManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        _claim(self)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        _claim(self)
        return super().delete(*args, **kwargs)


def for_each_organization(apps: Any, schema_editor: Any) -> Iterator[int]:
    """For data migrations: under FORCE the owner sees no rows without a binding, silently.

    Raises `TransactionManagementError` in a migration with `atomic = False`, where the binding would not hold.
    """
    connection = schema_editor.connection
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("for_each_organization() needs a migration with atomic = True")
    organizations = apps.get_model("orgs", "Organization").objects.using(connection.alias).order_by("pk")
    bind = f"SELECT set_config('{SETTING}', %s, true)"
    with connection.cursor() as cursor:
        for organization_id in list(organizations.values_list("pk", flat=True)):
            cursor.execute(bind, [str(organization_id)])
            yield organization_id
        cursor.execute(bind, [""])
