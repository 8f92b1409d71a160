from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Runs are the largest table, and are recorded while this builds.
    atomic = False

    dependencies = [
        ("catalog", "0006_discovered_pipelines_newest_first"),
    ]

    operations = [
        # One that was interrupted leaves an index that is never used.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS run_loose_step", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="run",
            index=models.Index(
                condition=models.Q(("parent_run", None), ("step__isnull", False)),
                fields=["organization", "occurred_at", "id"],
                name="run_loose_step",
            ),
        ),
    ]
