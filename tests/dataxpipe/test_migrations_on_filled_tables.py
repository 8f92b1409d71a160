"""Under FORCE the owner sees no rows, silently: what a migration does to filled tables must reach all of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import IntegrityError, migrations, models
from django.db.transaction import TransactionManagementError

from dataxpipe.postgres.fields import uuid7
from orgs.tenancy import for_each_organization
from tests.dataxpipe.conftest import key_to


@pytest.fixture
def filled(workshop):
    """One box for each organization; nothing is bound afterwards."""
    workshop.make("Box", ("size", models.IntegerField(null=True)))
    for organization in (workshop.acme, workshop.globex):
        workshop.bind(organization)
        workshop.rows("Box").create(organization_id=organization.pk)
    workshop.bind(None)
    return workshop


def sizes(workshop) -> list[int | None]:
    found = []
    for organization in (workshop.acme, workshop.globex):
        workshop.bind(organization)
        found += workshop.rows("Box").values_list("size", flat=True)
    workshop.bind(None)
    return found


def set_size(apps, schema_editor):
    apps.get_model("toys", "Box").objects.using(schema_editor.connection.alias).update(size=7)


def set_size_of_each(apps, schema_editor):
    for _ in for_each_organization(apps, schema_editor):
        set_size(apps, schema_editor)


def test_a_plain_data_migration_reaches_nothing(filled):
    filled.apply(migrations.RunPython(set_size))
    assert sizes(filled) == [None, None]


def test_a_data_migration_for_each_organization_reaches_every_row(filled):
    filled.apply(migrations.RunPython(set_size_of_each))
    assert sizes(filled) == [7, 7]


def test_after_it_nothing_is_bound(filled):
    filled.apply(migrations.RunPython(set_size_of_each))
    assert not filled.rows("Box").exists()


def test_it_refuses_a_migration_without_a_transaction_where_the_binding_would_not_hold(filled):
    editor = SimpleNamespace(connection=SimpleNamespace(in_atomic_block=False))
    with pytest.raises(TransactionManagementError, match="atomic"):
        list(for_each_organization(filled.state.apps, editor))


def test_a_default_for_nulls_reaches_every_row(filled):
    filled.apply(migrations.AlterField("Box", "size", models.IntegerField(default=3)))
    assert sizes(filled) == [3, 3]
    assert filled.defects() == []


def test_a_new_column_with_a_default_reaches_every_row(filled):
    filled.apply(
        migrations.AddField("Box", "weight", models.IntegerField(default=5)),
        migrations.RemoveField("Box", "size"),
        migrations.RenameField("Box", "weight", "size"),
    )
    assert sizes(filled) == [5, 5]


def test_adding_a_key_over_a_filled_column_finds_the_orphan_of_every_organization(filled):
    filled.make("Ball", ("box", key_to("Box", db_constraint=False)))
    filled.bind(filled.globex)
    filled.rows("Ball").create(organization_id=filled.globex.pk, box_id=uuid7())
    filled.bind(None)
    with pytest.raises(IntegrityError):
        filled.apply(migrations.AlterField("Ball", "box", key_to("Box")))


def test_adding_a_key_over_a_filled_column_accepts_good_rows(filled):
    filled.make("Ball", ("box", key_to("Box", db_constraint=False)))
    filled.bind(filled.globex)
    box = filled.rows("Box").get()
    filled.rows("Ball").create(organization_id=filled.globex.pk, box_id=box.pk)
    filled.bind(None)
    filled.apply(migrations.AlterField("Ball", "box", key_to("Box")))
    assert filled.defects() == []
    assert ["organization_id", "box_id"] in filled.key_columns("toys_ball", "f")
