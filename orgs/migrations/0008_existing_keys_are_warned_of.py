"""Keys that a person made are known as such, and organizations with keys that end are marked for the worker."""

from django.db import migrations

FORWARD = """
    UPDATE orgs_apikey SET created_by_kind = 'person' WHERE created_by_id IS NOT NULL;
    INSERT INTO orgs_due (organization_id, kind, due_at)
    SELECT DISTINCT organization_id, 'key_warnings', clock_timestamp() FROM orgs_apikey
    WHERE expires_at > clock_timestamp() AND revoked_at IS NULL
    ON CONFLICT ON CONSTRAINT due_once_per_kind DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("orgs", "0007_keys_are_warned_of"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
