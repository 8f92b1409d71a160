from django.db import migrations

CREATE = """
CREATE FUNCTION dataxpipe_is_being_purged(organization bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM orgs_organization WHERE id = organization AND status = 'deleting' AND deletion_at <= now())
$$;

CREATE OR REPLACE FUNCTION dataxpipe_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND dataxpipe_is_being_purged((to_jsonb(OLD) ->> 'organization_id')::bigint) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION purge_organization(batch integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    bound bigint := nullif(current_setting('dataxpipe.organization_id', true), '')::bigint;
    insert_only regclass;
    removed bigint := 0;
    here bigint;
BEGIN
    IF bound IS NULL OR NOT dataxpipe_is_being_purged(bound) THEN
        RAISE EXCEPTION 'the bound organization is not being purged' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR insert_only IN
        SELECT t.tgrelid FROM pg_trigger t
        WHERE t.tgfoid = to_regproc(quote_ident(current_schema()) || '.dataxpipe_refuse_change') AND EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attname = 'organization_id')
        ORDER BY (SELECT count(*) FROM pg_constraint k WHERE k.confrelid = t.tgrelid), t.tgrelid
    LOOP
        EXECUTE format(
            'DELETE FROM %1$s WHERE organization_id = $1 AND id = ANY (ARRAY('
            'SELECT id FROM %1$s WHERE organization_id = $1 ORDER BY id LIMIT $2))', insert_only)
        USING bound, batch - removed;
        GET DIAGNOSTICS here = ROW_COUNT;
        removed := removed + here;
        EXIT WHEN removed >= batch;
    END LOOP;
    RETURN removed;
END $$;

-- Temporary tables come last: one of the caller's must not stand in for ours.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION purge_organization(integer) SET search_path = %I, pg_temp', current_schema());
END $$;
"""

DROP = """
DROP FUNCTION purge_organization(integer);
CREATE OR REPLACE FUNCTION dataxpipe_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
DROP FUNCTION dataxpipe_is_being_purged(bigint);
"""


class Migration(migrations.Migration):
    """The one way out of what is insert-only: of an organization whose days of undo are over."""

    dependencies = [("orgs", "0017_slugs_outlive_their_organization")]
    operations = [migrations.RunSQL(CREATE, DROP)]
