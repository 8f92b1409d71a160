from django.db import migrations

VALID = """CASE WHEN instant IS NULL THEN link.valid_to IS NULL
                     ELSE link.valid_from <= instant AND (link.valid_to IS NULL OR link.valid_to > instant) END"""

INTERVAL = """(extract(epoch FROM {0}.valid_from) * 1000000)::bigint,
                (extract(epoch FROM {0}.valid_to) * 1000000)::bigint,
                (extract(epoch FROM {0}.last_seen_at) * 1000000)::bigint,
                {0}.origin"""

# Under the caller's rights, so that row-level security holds. Both looks at the links are lateral and fenced by
# OFFSET 0: the plan is kept for all organizations, and for a large one any other than one probe of an index per dataset
# and per pipeline reads all of its links.
CREATE = f"""
CREATE TYPE dataxpipe_crossing AS (
    level integer, dataset_id uuid, pipeline_id uuid, step_id uuid,
    valid_from bigint, valid_to bigint, last_seen_at bigint, origin text,
    far_step_id uuid, far_dataset_id uuid,
    far_valid_from bigint, far_valid_to bigint, far_last_seen_at bigint, far_origin text
);
CREATE FUNCTION dataxpipe_walk_lineage(
    of_organization bigint, start_datasets uuid[], start_pipelines uuid[], near_direction text, far_direction text,
    levels integer, instant timestamptz, max_datasets integer
) RETURNS SETOF dataxpipe_crossing LANGUAGE plpgsql STABLE AS $$
DECLARE
    frontier uuid[] := start_datasets;
    seen uuid[];
    crossings dataxpipe_crossing[];
BEGIN
    IF cardinality(start_pipelines) > 0 THEN
        SELECT coalesce(array_agg(ROW(
                -1, NULL, link.pipeline_id, link.step_id, NULL, NULL, NULL, NULL, link.step_id, link.dataset_id,
                {INTERVAL.format("link")}
            )::dataxpipe_crossing), '{{}}')
        INTO crossings
        FROM unnest(start_pipelines) AS start
        CROSS JOIN LATERAL (
            SELECT * FROM catalog_lineagelink AS link
            WHERE link.organization_id = of_organization AND link.pipeline_id = start
              AND link.direction = far_direction AND {VALID}
            OFFSET 0
        ) AS link;
        RETURN QUERY SELECT * FROM unnest(crossings);
        frontier := ARRAY(SELECT unnest(frontier) UNION SELECT crossing.far_dataset_id FROM unnest(crossings) AS crossing);
    END IF;
    seen := frontier;
    FOR current_level IN 0 .. levels LOOP
        EXIT WHEN cardinality(frontier) = 0 OR cardinality(seen) > max_datasets;
        SELECT coalesce(array_agg(ROW(
                current_level, near.dataset_id, near.pipeline_id, near.step_id,
                {INTERVAL.format("near")},
                far.step_id, far.dataset_id,
                {INTERVAL.format("far")}
            )::dataxpipe_crossing), '{{}}')
        INTO crossings
        FROM unnest(frontier) AS reached
        CROSS JOIN LATERAL (
            SELECT * FROM catalog_lineagelink AS link
            WHERE link.organization_id = of_organization AND link.dataset_id = reached
              AND link.direction = near_direction AND {VALID}
            OFFSET 0
        ) AS near
        LEFT JOIN LATERAL (
            SELECT * FROM catalog_lineagelink AS link
            WHERE current_level < levels
              AND link.organization_id = of_organization AND link.pipeline_id = near.pipeline_id
              AND link.direction = far_direction AND {VALID}
              AND (link.step_id = near.step_id OR link.step_id IS NULL OR near.step_id IS NULL)
            OFFSET 0
        ) AS far ON true;
        RETURN QUERY SELECT * FROM unnest(crossings);
        frontier := ARRAY(
            SELECT DISTINCT crossing.far_dataset_id FROM unnest(crossings) AS crossing
            WHERE crossing.far_dataset_id <> ALL (seen)
        );
        seen := seen || frontier;
    END LOOP;
END $$;
"""

DROP = """
DROP FUNCTION dataxpipe_walk_lineage(bigint, uuid[], uuid[], text, text, integer, timestamptz, integer);
DROP TYPE dataxpipe_crossing;
"""


class Migration(migrations.Migration):
    """The walk along lineage links in one call: a round trip and a plan per level took ten times as long."""

    dependencies = [("catalog", "0004_runs_keep_what_their_events_said")]
    operations = [migrations.RunSQL(CREATE, DROP)]
