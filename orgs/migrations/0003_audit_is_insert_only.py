from django.db import migrations

TABLES = ("orgs_auditevent", "orgs_auditseal")

REVOKE = """
DO $$
DECLARE grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_schema = current_schema() AND g.table_name = '{table}' AND g.grantee <> current_user
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE ON {table} FROM %I', grantee);
    END LOOP;
END $$;
CREATE TRIGGER {table}_is_insert_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION dataxpipe_refuse_change();
"""

CREATE = """
CREATE FUNCTION dataxpipe_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
""" + "".join(REVOKE.format(table=table) for table in TABLES)

DROP = "".join(f"DROP TRIGGER {table}_is_insert_only ON {table};" for table in TABLES) + (
    "DROP FUNCTION dataxpipe_refuse_change();"
)


class Migration(migrations.Migration):
    """The audit's events and seals can be added, by the application's role, and never changed."""

    dependencies = [("orgs", "0002_who")]
    operations = [migrations.RunSQL(CREATE, DROP)]
