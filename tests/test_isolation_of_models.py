"""No way through the ORM or SQL leads from one organization to another's rows, for every tenant model there is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from dataxpipe.postgres.fields import OrganizationKey
from orgs.tenancy import TenantScopeRequired, tenant_scope
from tests.factories.rows import factory_of, tenant_models
from tests.routes.calls import undone

MODELS = tenant_models()
EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
INSUFFICIENT_PRIVILEGE, FOREIGN_KEY_VIOLATION = "42501", "23503"


def keys_between_tenants(model: Any) -> list[Any]:
    return [
        field
        for field in model._meta.local_fields
        if isinstance(field, models.ForeignKey) and not isinstance(field, OrganizationKey)
    ]


def plain_field(model: Any) -> Any:
    """A column that may be written without breaking a key."""
    return next(field for field in model._meta.local_concrete_fields if not field.primary_key and not field.is_relation)


def snapshot(row: Any) -> dict[str, Any]:
    with tenant_scope(row.organization):
        return type(row)._base_manager.filter(pk=row.pk).values().get()


def clone(row: Any, **changes: Any) -> Any:
    double = copy.copy(row)
    double._state = copy.copy(row._state)
    for name, value in changes.items():
        setattr(double, name, value)
    return double


def changed_rows(statement: Callable[[], int]) -> int:
    """How many rows a write reached; none where the role lacks the very right (the audit is insert-only)."""
    try:
        with transaction.atomic():
            return statement()
    except DatabaseError as error:
        if error.__cause__.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        return 0


def execute(sql: str, *params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


def selected(model: Any, row: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {model._meta.db_table} WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


def refused_by_row_security(write: Callable[[], Any]) -> bool:
    try:
        with transaction.atomic():
            write()
    except DatabaseError as error:
        return error.__cause__.sqlstate == INSUFFICIENT_PRIVILEGE
    return False


def insert_and_check_keys(model: Any, **fields: Any) -> None:
    with transaction.atomic():
        factory_of(model)(**fields)
        connection.check_constraints()


@pytest.fixture
def theirs(model, globex):
    return factory_of(model)(organization=globex)


def test_there_are_tenant_models():
    assert len(MODELS) >= 25


@EVERY_MODEL
def test_its_own_organization_reaches_the_row(model, theirs, globex):
    with tenant_scope(globex):
        assert model.objects.filter(pk=theirs.pk).exists()
        assert selected(model, theirs) == 1


@EVERY_MODEL
def test_another_organization_does_not_read_it(model, theirs, acme):
    field = plain_field(model).name
    with tenant_scope(acme):
        for manager in (model.objects, model._base_manager):
            rows = manager.filter(pk=theirs.pk)
            assert list(rows) == []
            assert list(rows.iterator()) == []
            assert list(rows.values(field)) == []
            assert list(rows.values_list("pk")) == []
            assert rows.first() is None
            assert not rows.exists()
            assert rows.count() == 0
            assert rows.aggregate(n=models.Count("pk")) == {"n": 0}
            assert manager.in_bulk([theirs.pk]) == {}
            assert changed_rows(lambda rows=rows: len(rows.select_for_update())) == 0
        assert list(model.objects.raw(f"SELECT * FROM {model._meta.db_table} WHERE id = %s", [theirs.pk])) == []
        assert selected(model, theirs) == 0
        with pytest.raises(model.DoesNotExist):
            clone(theirs).refresh_from_db()


@EVERY_MODEL
def test_another_organization_does_not_change_it(model, theirs, acme):
    before, field, table = snapshot(theirs), plain_field(model), model._meta.db_table
    with tenant_scope(acme):
        for manager in (model.objects, model._base_manager):
            rows = manager.filter(pk=theirs.pk)
            assert changed_rows(lambda rows=rows: rows.update(**{field.name: models.F(field.name)})) == 0
        assert changed_rows(lambda: execute(f'UPDATE {table} SET "{field.column}" = "{field.column}"')) == 0
        with pytest.raises(TenantScopeRequired):
            clone(theirs).save()
        with pytest.raises(TenantScopeRequired):
            model.objects.bulk_update([clone(theirs)], [field.name])
    assert snapshot(theirs) == before


@EVERY_MODEL
def test_another_organization_does_not_delete_it(model, theirs, acme):
    with tenant_scope(acme):
        for manager in (model.objects, model._base_manager):
            rows = manager.filter(pk=theirs.pk)
            assert changed_rows(lambda rows=rows: rows._raw_delete(rows.db)) == 0
        assert changed_rows(lambda: execute(f"DELETE FROM {model._meta.db_table} WHERE id = %s", theirs.pk)) == 0
        with pytest.raises(TenantScopeRequired):
            clone(theirs).delete()
    assert snapshot(theirs)


@EVERY_MODEL
def test_another_organization_adds_no_row_to_it(model, theirs, acme, globex):
    with tenant_scope(acme):
        new = clone(theirs, pk=model._meta.pk.get_default() or theirs.pk)
        with pytest.raises(TenantScopeRequired):
            model.objects.bulk_create([new])
        with pytest.raises(TenantScopeRequired):
            clone(new, _state=models.base.ModelState()).save(force_insert=True)
        assert refused_by_row_security(lambda: model._base_manager.bulk_create([new]))


@EVERY_MODEL
def test_no_row_moves_to_another_organization(model, acme, globex):
    row = factory_of(model)(organization=acme)
    with tenant_scope(acme):
        for manager in (model.objects, model._base_manager):
            assert refused_by_row_security(
                lambda manager=manager: manager.filter(pk=row.pk).update(organization_id=globex.pk)
            )


@EVERY_MODEL
def test_an_upsert_does_not_reach_it(model, theirs, acme):
    before, field = snapshot(theirs), plain_field(model)
    upsert = {"update_conflicts": True, "unique_fields": ["organization", "id"], "update_fields": [field.name]}
    with undone():
        with tenant_scope(acme):
            own = clone(theirs, organization_id=None)
            with suppress(DatabaseError), transaction.atomic():
                model.objects.bulk_create([own], **upsert)
            foreign = clone(theirs)
            assert refused_by_row_security(lambda: model._base_manager.bulk_create([foreign], **upsert))
            with suppress(DatabaseError), transaction.atomic():
                model.objects.update_or_create(pk=theirs.pk, defaults={field.name: getattr(theirs, field.attname)})
        assert snapshot(theirs) == before


@EVERY_MODEL
def test_no_foreign_key_reaches_another_organization(model, acme, globex):
    for field in keys_between_tenants(model):
        foreign = factory_of(field.related_model)(organization=globex)
        with pytest.raises(IntegrityError) as caught:
            insert_and_check_keys(model, organization=acme, **{field.name: foreign})
        assert caught.value.__cause__.sqlstate == FOREIGN_KEY_VIOLATION


@EVERY_MODEL
def test_no_related_manager_leads_to_its_rows(model, theirs, acme, globex):
    for relation in model._meta.related_objects:
        if relation.hidden:
            continue
        child = factory_of(relation.related_model)(organization=globex, **{relation.field.name: theirs})
        related = getattr(theirs, relation.get_accessor_name())
        with tenant_scope(globex):
            assert child in related.all()
        with tenant_scope(acme):
            assert list(related.all()) == []
            assert related.count() == 0


@EVERY_MODEL
def test_without_a_scope_the_manager_raises_and_sql_sees_nothing(model, theirs, globex):
    field, table = plain_field(model), model._meta.db_table
    for ask in (
        model.objects.all,
        model.objects.count,
        lambda: model.objects.filter(pk=theirs.pk),
        lambda: model.objects.bulk_create([clone(theirs)]),
        lambda: clone(theirs).save(),
        lambda: clone(theirs).delete(),
    ):
        with pytest.raises(TenantScopeRequired):
            ask()
    assert model._base_manager.count() == 0
    assert selected(model, theirs) == 0
    assert changed_rows(lambda: execute(f'UPDATE {table} SET "{field.column}" = "{field.column}"')) == 0
    assert changed_rows(lambda: execute(f"DELETE FROM {table}")) == 0
    assert refused_by_row_security(lambda: model._base_manager.bulk_create([clone(theirs)]))
