from django.db import migrations

TABLE = "orgs_platformevent"

PROTECT = f"""
DO $$
DECLARE grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_schema = current_schema() AND g.table_name = '{TABLE}' AND g.grantee <> current_user
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE ON {TABLE} FROM %I', grantee);
    END LOOP;
END $$;
CREATE TRIGGER {TABLE}_is_insert_only BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION dataxpipe_refuse_change();
"""


class Migration(migrations.Migration):
    """What operators did can be added, by the application's role, and never changed."""

    dependencies = [("orgs", "0010_organizations_stand_and_operators_have_keys")]
    operations = [migrations.RunSQL(PROTECT, f"DROP TRIGGER {TABLE}_is_insert_only ON {TABLE}")]
