"""Weekly partitions of tables whose primary key is a `WeeklyPartitionKey`.

A UUIDv7 begins with the milliseconds since 1970, so a week is a range of ids and the key can stay
(organization, id). Partitions are made ahead of time by a function that runs with the owner's rights,
because the application's role may not create tables.
"""

from dataxpipe.postgres.walls import POLICY, tenant_condition

WEEKS_AHEAD = 8

CREATE_FUNCTION = f"""
CREATE FUNCTION dataxpipe_add_partitions(parent regclass, weeks integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    start date;
    part text;
    added integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = parent) THEN
        RAISE EXCEPTION '% is not partitioned', parent;
    END IF;
    FOR week IN -1 .. least(weeks, 52) LOOP
        start := date_trunc('week', now() AT TIME ZONE 'UTC')::date + 7 * week;
        part := trim(both '"' from parent::text) || to_char(start, '"_"IYYY"w"IW');
        CONTINUE WHEN to_regclass(quote_ident(part)) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', part, parent,
            dataxpipe_first_uuid(start), dataxpipe_first_uuid(start + 7));
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
        EXECUTE format(
            $policy$CREATE POLICY {POLICY} ON %I USING ({tenant_condition()}) WITH CHECK ({tenant_condition()})$policy$,
            part);
        added := added + 1;
    END LOOP;
    RETURN added;
END $$;
"""  # noqa: S608  (constants of ours)

CREATE_FIRST_UUID = """
CREATE FUNCTION dataxpipe_first_uuid(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
"""

CREATE_FUNCTIONS = CREATE_FIRST_UUID + CREATE_FUNCTION
DROP_FUNCTIONS = """
DROP FUNCTION dataxpipe_add_partitions(regclass, integer);
DROP FUNCTION dataxpipe_first_uuid(date);
"""


def add_partitions_sql(table: str) -> str:
    """Makes the partitions of last week, this one and the weeks ahead that do not exist yet."""
    return f"SELECT dataxpipe_add_partitions('{table}'::regclass, {WEEKS_AHEAD})"
