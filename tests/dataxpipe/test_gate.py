"""The gate reads pg_catalog and names every wall that does not stand."""

from __future__ import annotations

import pytest
from django.db import connection

from dataxpipe.postgres import gate
from dataxpipe.postgres.walls import tenant_condition
from orgs.tenancy import CONTROL_TABLES

TABLE = "catalog_pipelinetag"

BREACHES = {
    "policy dropped": (f"DROP POLICY organization ON {TABLE}", f"{TABLE}: 0 policies instead of one"),
    "force lifted": (f"ALTER TABLE {TABLE} NO FORCE ROW LEVEL SECURITY", f"{TABLE}: row-level security is not forced"),
    "security disabled": (
        f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY",
        f"{TABLE}: row-level security is not forced",
    ),
    "condition widened": (
        f"ALTER POLICY organization ON {TABLE} USING ({tenant_condition()} OR true)",
        f"{TABLE}: policy organization does not have the canonical condition",
    ),
    "check widened": (
        f"ALTER POLICY organization ON {TABLE} WITH CHECK (true)",
        f"{TABLE}: policy organization does not have the canonical condition",
    ),
    "second policy": (f"CREATE POLICY more ON {TABLE} USING (true)", f"{TABLE}: 2 policies instead of one"),
    "policy for some": (
        (
            f"DROP POLICY organization ON {TABLE};"
            f"CREATE POLICY organization ON {TABLE} FOR SELECT USING ({tenant_condition()})"
        ),
        f"{TABLE}: policy organization is not the one for every command and role",
    ),
    "control policy widened": (
        "ALTER POLICY organization ON orgs_apikey USING (true)",
        "orgs_apikey: policy organization does not have the canonical condition",
    ),
    "key reduced": (
        f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey, ADD CONSTRAINT {TABLE}_pkey PRIMARY KEY (id)",
        f"{TABLE}: primary key {TABLE}_pkey does not start with the organization",
    ),
    "key dropped": (f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey", f"{TABLE}: no primary key"),
    "unique of all": (
        f"CREATE UNIQUE INDEX tag_of_all ON {TABLE} (tag)",
        f"{TABLE}: unique tag_of_all does not start with the organization",
    ),
    "foreign key reduced": (
        (
            "CREATE UNIQUE INDEX pipeline_id_of_all ON catalog_pipeline (id);"
            f"ALTER TABLE {TABLE} ADD CONSTRAINT reduced FOREIGN KEY (pipeline_id) REFERENCES catalog_pipeline (id)"
        ),
        f"{TABLE}: foreign key reduced can reach another organization's rows",
    ),
    "foreign key not validated": (
        (
            f"ALTER TABLE {TABLE} ADD CONSTRAINT unsure FOREIGN KEY (organization_id, pipeline_id)"
            " REFERENCES catalog_pipeline (organization_id, id) NOT VALID"
        ),
        f"{TABLE}: foreign key unsure was never validated",
    ),
    "view": (
        f"CREATE VIEW every_tag AS SELECT * FROM {TABLE}",
        "view every_tag reads with its owner's rights",
    ),
    "materialized view": (
        f"CREATE MATERIALIZED VIEW every_tag AS SELECT * FROM {TABLE}",
        "materialized view every_tag reads with its owner's rights",
    ),
    "table that is neither": (
        "CREATE TABLE toys_forgotten (id bigint PRIMARY KEY, organization_id bigint)",
        "toys_forgotten: row-level security is not forced",
    ),
}


def found(wrapper) -> set[str]:
    return set(gate.violations(wrapper, control_tables=CONTROL_TABLES))


def test_every_wall_stands(db):
    assert gate.violations(connection, control_tables=CONTROL_TABLES) == []


@pytest.mark.parametrize("breach", BREACHES)
def test_it_names_the_breach(owner_connection, breach):
    statement, sentence = BREACHES[breach]
    before = found(owner_connection)
    with owner_connection.cursor() as cursor:
        cursor.execute(statement)
    assert sentence in found(owner_connection) - before


def test_a_view_that_reads_with_the_readers_rights_is_none(owner_connection):
    before = found(owner_connection)
    with owner_connection.cursor() as cursor:
        cursor.execute(f"CREATE VIEW own_tags WITH (security_invoker = true) AS SELECT * FROM {TABLE}")
    assert found(owner_connection) == before


def test_the_role_that_owns_the_tables_could_bypass_and_truncate(owner_connection):
    sentences = found(owner_connection)
    role = owner_connection.settings_dict["USER"]
    assert f"role {role} can bypass row-level security" in sentences
    assert {f"{TABLE}: the current role owns it", f"{TABLE}: the current role may TRUNCATE it"} <= sentences


def test_no_index_of_a_tenant_table_holds_the_organization_alone_or_not_first(db):
    """Such an index serves nobody: every query of the application names the organization and one thing more."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT t.relname, c.relname FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'organization_id'
            WHERE t.relnamespace = 'public'::regnamespace AND t.relname <> ALL (%s) AND t.relkind = 'r'
              AND (i.indkey[0] <> a.attnum OR i.indnkeyatts = 1 AND NOT i.indisunique)
        """, [list(CONTROL_TABLES)])  # fmt: skip
        assert cursor.fetchall() == []
