from django.db import migrations

CREATE = """
DO $$
DECLARE grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_schema = current_schema() AND g.table_name = 'orgs_auditanchor' AND g.grantee <> current_user
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE ON orgs_auditanchor FROM %I', grantee);
    END LOOP;
END $$;
CREATE TRIGGER orgs_auditanchor_is_insert_only BEFORE UPDATE OR DELETE ON orgs_auditanchor
    FOR EACH ROW EXECUTE FUNCTION dataxpipe_refuse_change();
"""
DROP = "DROP TRIGGER orgs_auditanchor_is_insert_only ON orgs_auditanchor"


class Migration(migrations.Migration):
    """What was signed cannot be changed, like the events and seals it stands for."""

    dependencies = [("orgs", "0013_personal_data_stands_beside_the_chain")]
    operations = [migrations.RunSQL(CREATE, DROP)]
