"""The worker looks once a day at how far back each organization keeps its rows; over the day, not all at once."""

from django.db import migrations

FORWARD = """
    INSERT INTO orgs_due (organization_id, kind, due_at)
    SELECT id, 'trim_history', clock_timestamp() + random() * interval '1 day' FROM orgs_organization
    ON CONFLICT ON CONSTRAINT due_once_per_kind DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("orgs", "0019_histories_are_kept"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
