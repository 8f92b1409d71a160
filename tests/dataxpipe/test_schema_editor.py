"""The engine builds the second and third wall for every table with an `OrganizationKey`, and keeps them."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, NotSupportedError, migrations, models, transaction

from dataxpipe.postgres.fields import OrganizationKey, UUID7Key, WeeklyPartitionKey
from tests.dataxpipe.conftest import ALIAS, key_to

NAME = ("name", models.CharField(max_length=20, default=""))


def refused(work) -> str:
    """The SQLSTATE of a refusal, at once or when the keys are checked."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(ALIAS):
        work()
    return caught.value.__cause__.sqlstate


def test_a_new_table_stands_behind_all_walls(workshop):
    workshop.make("Box", NAME)
    workshop.make("Ball", ("box", key_to("Box")))
    assert workshop.defects() == []
    assert workshop.key_columns("toys_ball", "p") == [["organization_id", "id"]]
    assert workshop.key_columns("toys_ball", "f") == [["organization_id"], ["organization_id", "box_id"]]


def test_even_the_owner_sees_and_writes_only_the_bound_organization(workshop):
    workshop.make("Box", NAME)
    workshop.bind(workshop.acme)
    workshop.rows("Box").create(organization_id=workshop.acme.pk, name="acme's")
    assert refused(lambda: workshop.rows("Box").create(organization_id=workshop.globex.pk)) == "42501"
    workshop.bind(workshop.globex)
    assert not workshop.rows("Box").exists()
    workshop.bind(None)
    assert not workshop.rows("Box").exists()


def test_a_foreign_key_does_not_lead_to_another_organization(workshop):
    """A key on one column would: foreign keys are checked past row-level security."""
    workshop.make("Box")
    workshop.make("Ball", ("box", key_to("Box")))
    workshop.bind(workshop.globex)
    theirs = workshop.rows("Box").create(organization_id=workshop.globex.pk)
    workshop.bind(workshop.acme)

    def point_to_theirs():
        workshop.rows("Ball").create(organization_id=workshop.acme.pk, box_id=theirs.pk)
        workshop.check_keys()

    assert refused(point_to_theirs) == "23503"


def test_two_organizations_may_have_the_same_id(workshop):
    workshop.make("Box")
    workshop.bind(workshop.globex)
    theirs = workshop.rows("Box").create(organization_id=workshop.globex.pk)
    workshop.bind(workshop.acme)
    workshop.rows("Box").create(organization_id=workshop.acme.pk, id=theirs.pk)


def test_an_upsert_by_organization_and_id_stays_within_it(workshop):
    workshop.make("Box", NAME)
    box = workshop.state.apps.get_model("toys", "Box")
    workshop.bind(workshop.globex)
    theirs = workshop.rows("Box").create(organization_id=workshop.globex.pk, name="theirs")
    workshop.bind(workshop.acme)
    for name in ("first", "second"):
        workshop.rows("Box").bulk_create(
            [box(organization_id=workshop.acme.pk, id=theirs.pk, name=name)],
            update_conflicts=True,
            unique_fields=["organization", "id"],
            update_fields=["name"],
        )
    assert workshop.rows("Box").get().name == "second"
    workshop.bind(workshop.globex)
    assert workshop.rows("Box").get().name == "theirs"


def test_an_upsert_by_the_id_alone_finds_no_key(workshop):
    workshop.make("Box", NAME)
    box = workshop.state.apps.get_model("toys", "Box")
    workshop.bind(workshop.acme)
    upsert = {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["name"]}
    assert refused(lambda: workshop.rows("Box").bulk_create([box(organization_id=workshop.acme.pk)], **upsert))


def test_indexes_lead_with_the_organization_and_none_holds_it_alone(workshop):
    workshop.make("Box")
    workshop.make("Ball", ("box", key_to("Box")), ("color", models.CharField(max_length=9, db_index=True)))
    assert workshop.index_columns("toys_ball") == [["organization_id", "box_id"], ["organization_id", "color"]]


def test_an_added_key_is_composite(workshop):
    workshop.make("Box")
    workshop.make("Ball")
    workshop.apply(migrations.AddField("Ball", "box", key_to("Box", null=True)))
    assert workshop.defects() == []
    assert ["organization_id", "box_id"] in workshop.key_columns("toys_ball", "f")
    assert ["organization_id", "box_id"] in workshop.index_columns("toys_ball")


def test_an_altered_key_is_composite_and_the_old_one_gone(workshop):
    for name in ("Box", "Crate"):
        workshop.make(name)
    workshop.make("Ball", ("box", key_to("Box", null=True)))
    workshop.apply(migrations.AlterField("Ball", "box", key_to("Crate", null=True)))
    assert workshop.defects() == []
    [(target,)] = workshop.sql(
        "SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = 'toys_ball'::regclass"
        " AND contype = 'f' AND cardinality(conkey) = 2"
    )
    assert target == "toys_crate"


def test_an_index_that_is_switched_on_and_off_leads_with_the_organization_and_goes(workshop):
    workshop.make("Ball", ("color", models.CharField(max_length=9)))
    workshop.apply(migrations.AlterField("Ball", "color", models.CharField(max_length=9, db_index=True)))
    assert workshop.index_columns("toys_ball") == [["organization_id", "color"]]
    workshop.apply(migrations.AlterField("Ball", "color", models.CharField(max_length=9)))
    assert workshop.index_columns("toys_ball") == []


def test_altering_and_renaming_keep_the_walls(workshop):
    workshop.make("Box", NAME)
    workshop.make("Ball", ("box", key_to("Box")))
    workshop.apply(
        migrations.AlterField("Box", "name", models.TextField(default="")),
        migrations.RenameField("Ball", "box", "crate"),
        migrations.AlterField("Ball", "crate", key_to("Box", null=True)),
        migrations.RenameModel("Box", "Crate"),
        migrations.AddField("Crate", "size", models.IntegerField(default=1)),
        migrations.RemoveField("Crate", "name"),
    )
    assert workshop.defects() == []
    assert ["organization_id", "crate_id"] in workshop.key_columns("toys_ball", "f")


def test_a_table_that_gets_its_organization_gets_its_walls(workshop):
    """The model that a migration passes is the one before, which does not know of the organization."""
    workshop.make("Box", is_tenant=False)
    workshop.apply(migrations.AddField("Box", "organization", OrganizationKey()))
    assert workshop.defects() == []
    assert workshop.key_columns("toys_box", "p") == [["organization_id", "id"]]


def test_a_control_table_that_becomes_a_tenant_table_gets_its_walls(workshop):
    plain = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT)
    workshop.make("Box", ("organization", plain), is_tenant=False)
    assert workshop.defects(control_tables={"toys_box"}) == []
    workshop.apply(migrations.AlterField("Box", "organization", OrganizationKey()))
    assert workshop.defects() == []


def test_a_control_table_is_open_outside_of_scopes_only(workshop):
    workshop.make("Box", is_tenant=False)
    workshop.apply(
        migrations.AddField(
            "Box", "organization", models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, default=1)
        )
    )
    assert workshop.defects(control_tables={"toys_box"}) == []
    for organization in (workshop.acme, workshop.globex):
        workshop.rows("Box").create(organization_id=organization.pk)
    assert workshop.rows("Box").count() == 2
    workshop.bind(workshop.acme)
    assert [row.organization_id for row in workshop.rows("Box")] == [workshop.acme.pk]


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("Box", "organization"),
        migrations.AlterField("Box", "organization", models.ForeignKey("orgs.Organization", on_delete=models.PROTECT)),
    ],
    ids=["remove", "alter"],
)
def test_a_tenant_table_does_not_lose_its_organization(workshop, operation):
    workshop.make("Box")
    with pytest.raises(NotSupportedError, match="open to every tenant"):
        workshop.apply(operation)


def test_a_partitioned_table_has_walls_around_every_partition(workshop):
    workshop.apply(
        migrations.CreateModel("Event", [("id", WeeklyPartitionKey()), ("organization", OrganizationKey()), NAME])
    )
    partitions = workshop.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'toys_event'::regclass"
    )
    assert len(partitions) > 5
    assert workshop.defects() == []
    workshop.bind(workshop.acme)
    workshop.rows("Event").create(organization_id=workshop.acme.pk)
    workshop.bind(workshop.globex)
    assert sum(workshop.sql(f"SELECT count(*) FROM {name}")[0][0] for (name,) in partitions) == 0


def test_a_unique_constraint_without_the_organization_is_seen_by_the_gate(workshop):
    workshop.make("Box", ("name", models.CharField(max_length=20, unique=True)))
    assert any("does not start with the organization" in text for text in workshop.defects())


def test_the_name_of_a_key_survives_a_long_table_name(workshop):
    workshop.apply(
        migrations.CreateModel(
            "Box",
            [("id", UUID7Key()), ("organization", OrganizationKey())],
            options={"db_table": "toys_" + "x" * 55},
        )
    )
    assert workshop.defects() == []


def test_integrity_of_what_stands_is_checked(workshop):
    workshop.make("Box", NAME)
    workshop.bind(workshop.acme)
    for _ in range(2):
        workshop.rows("Box").create(organization_id=workshop.acme.pk, name="same")
    unique = models.UniqueConstraint(fields=["organization", "name"], name="box_name")
    with pytest.raises(IntegrityError):
        workshop.apply(migrations.AddConstraint("Box", unique))
