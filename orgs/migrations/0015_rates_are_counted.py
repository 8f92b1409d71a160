from django.db import migrations, models

# Counts are worth nothing after a crash, and without a log no request waits for the disk. Rows are written again and
# again: with room on their page that needs no new entry in the index.
UNLOGGED = "ALTER TABLE orgs_ratecounter SET UNLOGGED; ALTER TABLE orgs_ratecounter SET (fillfactor = 50)"


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0014_audit_anchors_are_insert_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="RateCounter",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("amount", models.FloatField()),
                ("at", models.DateTimeField()),
                ("is_granted", models.BooleanField(default=True)),
            ],
        ),
        migrations.RunSQL(UNLOGGED, migrations.RunSQL.noop),
    ]
